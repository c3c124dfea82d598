using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Loading;

/// <summary>
/// A checkpoint seen through a model's weight map: which file tensors hold which weight. Construction checks the whole checkpoint, so
/// that a tensor that is missing, left over or of another shape shows before any data is read, all in one error.
/// </summary>
internal sealed class WeightSource
{
    private readonly ITensorSource _file;
    private readonly Dictionary<WeightSlot, Stored[]> _stored = [];
    private readonly List<(WeightSlot Copy, Stored[] Tensors)> _copies = [];

    /// <param name="file">The checkpoint.</param>
    /// <param name="layout">Whose names and axes it has.</param>
    /// <param name="slots">Every slot of the model, tied and ignored ones included.</param>
    /// <param name="optionalPrefix">A component that files may lack in front of every name.</param>
    /// <exception cref="InvalidInputException">The checkpoint does not hold exactly this model's weights.</exception>
    public WeightSource(ITensorSource file, CheckpointLayout layout, IReadOnlyCollection<WeightSlot> slots, string? optionalPrefix)
    {
        _file = file;
        var names = new CheckpointNames(file, layout, optionalPrefix);
        var problems = new CoverageReport(file.Location);
        var leftOver = new HashSet<string>(file.Tensors.Keys, StringComparer.Ordinal);
        foreach (var slot in slots)
        {
            var isOptional = slot.Kind != WeightKind.Stored;
            var found = new List<Stored>();
            foreach (var wanted in Wanted(slot, layout))
            {
                if (names.Find(wanted.Name) is not { } name)
                {
                    if (!isOptional)
                        problems.Missing(wanted.Name, wanted.Shape);
                    continue;
                }

                leftOver.Remove(name);
                if (slot.Kind == WeightKind.Ignored)
                    continue;
                var info = file.Tensors[name];
                if (!info.Shape.SequenceEqual(wanted.Shape))
                    problems.WrongShape(info, wanted.Shape);
                else if (info.DType is not (DType.F32 or DType.F16 or DType.BF16 or DType.F64))
                    problems.WrongType(info);
                else
                    found.Add(wanted with { Name = name });
            }

            if (slot.Kind == WeightKind.Stored)
                _stored[slot] = [.. found];
            else if (slot.Kind == WeightKind.Tied && found.Count > 0)
                _copies.Add((slot, [.. found]));
        }

        foreach (var name in leftOver)
            problems.Extra(file.Tensors[name]);
        problems.ThrowIfAny();
        Dtype = slots.Where(s => s.Kind == WeightKind.Stored && _stored[s].Length > 0)
            .Select(s => file.Tensors[_stored[s][0].Name].DType.ToScalarType()).FirstOrDefault(ScalarType.Float32);
    }

    /// <summary>Type of the first stored weight.</summary>
    public ScalarType Dtype { get; }

    /// <summary>Fills a slot's parameter, or this rank's part of it, piece by piece.</summary>
    public void Fill(WeightSlot slot)
    {
        var axis = Math.Max(slot.ShardAxis, 0);
        foreach (var piece in slot.Pieces())
        {
            using var view = slot.View(piece);
            Read(slot, axis, piece.Source, view);
        }

        slot.Parameter!.Changed();
    }

    /// <summary>Reads a range of a whole weight along an axis, converting to the destination's type and device.</summary>
    /// <param name="slot">A stored slot.</param>
    /// <param name="axis">0 or 1, in the parameter's layout.</param>
    /// <param name="range">Indices along the axis.</param>
    /// <param name="destination">Shaped as the range.</param>
    public void Read(WeightSlot slot, int axis, WeightRange range, Tensor destination) => Read(_stored[slot], axis, range, destination);

    /// <summary>Refuses a checkpoint whose stored copy of a tied matrix is another matrix: the model would drop it in silence.</summary>
    /// <exception cref="InvalidInputException">A copy differs.</exception>
    public void CheckCopies()
    {
        const long Piece = 4096;
        foreach (var (copy, tensors) in _copies)
        {
            var original = _stored.Keys.First(slot => slot.Parameter == copy.Parameter);
            for (long row = 0; row < copy.Shape[0]; row += Piece)
            {
                var range = new WeightRange(row, Math.Min(Piece, copy.Shape[0] - row));
                long[] shape = [range.Length, copy.Shape[1]];
                using var left = torch.empty(shape, ScalarType.Float32);
                using var right = torch.empty(shape, ScalarType.Float32);
                Read(original, 0, range, left);
                Read(tensors, 0, range, right);
                using var same = left.eq(right).all();
                if (!same.item<bool>())
                {
                    throw new InvalidInputException(
                        $"{_file.Location} stores '{tensors[0].Name}' apart from '{_stored[original][0].Name}' with other values, but the config ties them; set tie_word_embeddings to false in config.json.");
                }
            }
        }
    }

    private void Read(Stored[] tensors, int axis, WeightRange range, Tensor destination)
    {
        foreach (var stored in tensors)
        {
            // What of the range lies in this tensor's rows.
            var rows = axis == 0 ? Intersect(range, stored.Rows) : stored.Rows;
            if (rows.Length <= 0)
                continue;
            var slice = TensorSlice.All(_file.Tensors[stored.Name]);
            slice = slice.Narrow(stored.IsTransposed ? 1 : 0, rows.Start - stored.Rows.Start, rows.Length);
            if (axis == 1)
                slice = slice.Narrow(stored.IsTransposed ? 0 : 1, range.Start, range.Length);
            using var part = destination.narrow(0, axis == 0 ? rows.Start - range.Start : rows.Start, rows.Length);
            using var target = stored.IsTransposed ? part.t() : part.alias();
            _file.LoadInto(stored.Name, target, slice);
        }
    }

    private static WeightRange Intersect(WeightRange a, WeightRange b)
    {
        var start = Math.Max(a.Start, b.Start);
        return new WeightRange(start, Math.Min(a.Start + a.Length, b.Start + b.Length) - start);
    }

    /// <summary>The file tensors that hold a slot's weight, by their full names.</summary>
    private static IEnumerable<Stored> Wanted(WeightSlot slot, CheckpointLayout layout)
    {
        if (slot.Kind == WeightKind.Ignored)
            return [new Stored(slot.Name, default, false, [])];
        return layout == CheckpointLayout.HuggingFace
            ? [new Stored(slot.Name, new WeightRange(0, slot.Shape[0]), slot.IsTransposed, slot.FileShape)]
            : slot.Paddle.Select(p => new Stored(p.Name, new WeightRange(p.Start, p.Length), p.IsTransposed, FileShape(slot, p)));
    }

    /// <summary>Shape that a tensor of a slot has in Paddle's file.</summary>
    internal static IReadOnlyList<long> FileShape(WeightSlot slot, PaddleTensor tensor) =>
        slot.Shape.Count == 1 ? [tensor.Length]
        : tensor.IsTransposed ? [slot.Shape[1], tensor.Length]
        : [tensor.Length, slot.Shape[1]];

    /// <summary>A file tensor with consecutive rows of a weight.</summary>
    private sealed record Stored(string Name, WeightRange Rows, bool IsTransposed, IReadOnlyList<long> Shape);
}
