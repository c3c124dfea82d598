using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Checkpoints.Views;
using Generated.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Loading;

/// <summary>
/// A checkpoint seen through a model's weight map: which file tensors hold which weight. Construction checks the whole checkpoint, so
/// that a tensor that is missing, left over or of another shape shows before any memory is taken, all in one error.
/// </summary>
internal sealed class WeightSource
{
    private readonly ITensorSource _file;
    private readonly Dictionary<string, IReadOnlyList<FileTensor>> _stored = new(StringComparer.Ordinal);
    private readonly List<(TensorSpec Copy, IReadOnlyList<FileTensor> Tensors)> _copies = [];

    /// <param name="file">The checkpoint.</param>
    /// <param name="layout">Whose names and axes it has.</param>
    /// <param name="architecture">The architecture.</param>
    /// <param name="config">Its typed config.</param>
    /// <exception cref="InvalidInputException">The checkpoint does not hold exactly this model's weights.</exception>
    public WeightSource(ITensorSource file, CheckpointLayout layout, ArchitectureInfo architecture, object config)
        : this(file, layout, architecture, [.. architecture.TensorsOf(config)], new CoverageReport(file.Location), [])
    {
    }

    /// <summary>The same for a checkpoint that holds only some weights as floats, and other tensors beside them.</summary>
    /// <param name="file">The checkpoint.</param>
    /// <param name="layout">Whose names and axes it has.</param>
    /// <param name="architecture">The architecture.</param>
    /// <param name="specs">The weights that are floats.</param>
    /// <param name="problems">What is wrong with the others already.</param>
    /// <param name="others">Names of the other tensors.</param>
    /// <exception cref="InvalidInputException">The checkpoint does not hold exactly these tensors.</exception>
    public WeightSource(
        ITensorSource file, CheckpointLayout layout, ArchitectureInfo architecture, IReadOnlyList<TensorSpec> specs, CoverageReport problems, IEnumerable<string> others)
    {
        _file = file;
        Specs = specs;
        var names = new CheckpointNames(file, layout, architecture.OptionalPrefix);
        var isShortened = false;
        var leftOver = new HashSet<string>(file.Tensors.Keys, StringComparer.Ordinal);
        leftOver.ExceptWith(others);
        foreach (var spec in Specs)
        {
            var found = new List<FileTensor>();
            foreach (var wanted in FileTensor.Of(spec, layout))
            {
                if (names.Find(wanted.Name) is not { } name)
                {
                    if (spec.TiedTo is null)
                        problems.Missing(wanted.Name, wanted.Shape);
                    continue;
                }

                isShortened |= name.Length < wanted.Name.Length;
                leftOver.Remove(name);
                var info = file.Tensors[name];
                if (!info.Shape.SequenceEqual(wanted.Shape))
                    problems.WrongShape(info, wanted.Shape);
                else if (info.DType is not (DType.F32 or DType.F16 or DType.BF16 or DType.F64))
                    problems.WrongType(info);
                else
                    found.Add(wanted with { Name = name });
            }

            if (spec.TiedTo is null)
                _stored[spec.Name] = found;
            else if (found.Count > 0)
                _copies.Add((spec, found));
        }

        if (layout == CheckpointLayout.Paddle)
        {
            foreach (var spec in Specs)
            {
                if (spec is { TiedTo: null, PaddleTiedTo: { } owner } && _stored.TryGetValue(owner, out var stored))
                    _stored[spec.Name] = stored;
            }
        }

        var ignored = new IgnoredNames(architecture.Ignored, architecture.OptionalPrefix);
        foreach (var name in leftOver.Where(name => !ignored.Contains(name)).Order(StringComparer.Ordinal))
            problems.Extra(file.Tensors[name]);
        Unused = [.. file.Tensors.Keys.Where(name => leftOver.Contains(name) && ignored.Contains(name))];
        Layout = layout;
        IsBaseModel = isShortened;
        problems.ThrowIfAny();
        Dtype = _stored.Values.FirstOrDefault(tensors => tensors.Count > 0) is [var first, ..] ? file.Tensors[first.Name].DType.ToScalarType() : ScalarType.Float32;
    }

    /// <summary>The stored tensors.</summary>
    public ITensorSource File => _file;

    /// <summary>Whose names and axes they have.</summary>
    public CheckpointLayout Layout { get; }

    /// <summary>Every tensor of the model.</summary>
    public IReadOnlyList<TensorSpec> Specs { get; }

    /// <summary>Stored tensors that are known and not used: buffers.</summary>
    public IReadOnlyList<string> Unused { get; }

    /// <summary>Whether the names lack the model's first component, as files of the model without its head do.</summary>
    public bool IsBaseModel { get; }

    /// <summary>Type of the first stored weight.</summary>
    public ScalarType Dtype { get; }

    /// <summary>Fills a slot's parameter, or this rank's part of it, piece by piece.</summary>
    public void Fill(WeightSlot slot)
    {
        var axis = Math.Max(slot.ShardAxis, 0);
        foreach (var piece in slot.Pieces())
        {
            using var view = slot.View(piece);
            Read(slot.Spec, axis, piece.Source, view);
        }

        slot.Parameter!.Changed();
    }

    /// <summary>Reads a range of a whole weight along an axis, converting to the destination's type and device.</summary>
    /// <param name="spec">The weight; a tied one is read from its owner.</param>
    /// <param name="axis">0 or 1, in the canonical layout.</param>
    /// <param name="range">Indices along the axis.</param>
    /// <param name="destination">Shaped as the range.</param>
    public void Read(TensorSpec spec, int axis, WeightRange range, Tensor destination) => Read(_stored[Owner(spec)], axis, range, destination);

    /// <summary>Type of a weight in the file.</summary>
    public DType TypeOf(TensorSpec spec) => _file.Tensors[_stored[Owner(spec)][0].Name].DType;

    /// <summary>Whether the file has values for a weight itself, and not only for the one it is tied to.</summary>
    public bool Stores(TensorSpec spec) => _stored.ContainsKey(spec.Name);

    /// <summary>A whole weight in the canonical layout, as a view: nothing is read yet.</summary>
    public TensorView View(TensorSpec spec) => TensorView.Concat(0, [.. _stored[Owner(spec)].Select(stored =>
    {
        var view = TensorView.Of(_file, stored.Name);
        return stored.IsTransposed ? view.Transpose() : view;
    })]);

    /// <summary>Refuses a checkpoint whose stored copy of a tied matrix is another matrix: the model would drop it in silence.</summary>
    /// <exception cref="InvalidInputException">A copy differs.</exception>
    public void CheckCopies()
    {
        foreach (var (copy, tensors) in _copies)
        {
            var original = _stored[copy.TiedTo!];
            if (!AreEqual(copy.Shape, original, tensors))
            {
                throw new InvalidInputException(
                    $"{_file.Location} stores '{tensors[0].Name}' with other values than '{original[0].Name}', but the config ties them; set tie_word_embeddings to false in config.json.");
            }
        }
    }

    private string Owner(TensorSpec spec) => spec.TiedTo is null || Stores(spec) ? spec.Name : spec.TiedTo;

    /// <summary>Refuses a checkpoint in which a matrix is its own that Paddle's model has only as a copy of another.</summary>
    /// <exception cref="InvalidInputException">The two differ.</exception>
    public void CheckPaddleTies()
    {
        foreach (var spec in Specs.Where(spec => spec is { TiedTo: null, PaddleTiedTo: not null }))
        {
            if (!AreEqual(spec.Shape, _stored[spec.PaddleTiedTo!], _stored[spec.Name]))
                throw new InvalidInputException($"{_file.Location}: '{spec.Name}' differs from '{spec.PaddleTiedTo}', and PaddleNLP's model has one matrix for both; keep the Hugging Face layout.");
        }
    }

    private bool AreEqual(IReadOnlyList<long> shape, IReadOnlyList<FileTensor> left, IReadOnlyList<FileTensor> right)
    {
        const long Piece = 4096;
        for (long row = 0; row < shape[0]; row += Piece)
        {
            var range = new WeightRange(row, Math.Min(Piece, shape[0] - row));
            using var a = torch.empty([range.Length, shape[1]], ScalarType.Float32);
            using var b = torch.empty_like(a);
            Read(left, 0, range, a);
            Read(right, 0, range, b);
            using var equal = a.eq(b);
            using var all = equal.all();
            if (!all.item<bool>())
                return false;
        }

        return true;
    }

    private void Read(IReadOnlyList<FileTensor> tensors, int axis, WeightRange range, Tensor destination)
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
}
