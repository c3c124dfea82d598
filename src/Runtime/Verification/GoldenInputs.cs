using Generated.Checkpoints;
using Generated.Passes;

namespace Generated.Verification;

/// <summary>
/// The inputs of a golden file: <c>input_ids</c> [B, S], and in the original's convention <c>attention_mask</c> ([B, S] with 1 = real,
/// or [B, 1, S, S] as integers with 1 = attend or booleans with true = masked) and <c>position_ids</c> ([B, S] or [B, 2, S]).
/// </summary>
internal sealed class GoldenInputs
{
    private readonly string _location;
    private readonly long[] _ids;
    private readonly bool[] _isReal;
    private readonly bool[]? _attends;
    private readonly long[]? _positions;
    private readonly bool _hasBlockPositions;

    /// <param name="golden">The golden file.</param>
    /// <param name="idsOnly">Number of rows whose ids alone are the input, all of them real, without recorded mask and positions; 0 for everything recorded.</param>
    /// <exception cref="InvalidInputException">An input is missing or has another shape or dtype.</exception>
    public GoldenInputs(ITensorSource golden, int idsOnly = 0)
    {
        _location = golden.Location;
        var info = golden.Info("input_ids");
        if (info.Shape.Count != 2 || info.ElementCount == 0)
            throw new InvalidInputException($"{_location}: input_ids has to be [rows, length], it is {info}.");
        (Rows, Length) = (checked((int)info.Shape[0]), checked((int)info.Shape[1]));
        _ids = Integers(golden, "input_ids");
        if (idsOnly > 0)
        {
            Rows = Math.Min(Rows, idsOnly);
            _isReal = [.. Enumerable.Repeat(true, Rows * Length)];
            return;
        }

        (_isReal, _attends) = ReadMask(golden);
        if (golden.Tensors.TryGetValue("position_ids", out var positions))
        {
            _hasBlockPositions = Has(positions, Rows, 2, Length);
            if (!_hasBlockPositions && !Has(positions, Rows, Length) && !Has(positions, 1, Length))
                throw Shape(positions, $"[{Rows}, {Length}] or [{Rows}, 2, {Length}]");
            _positions = Integers(golden, "position_ids");
            if (_positions.Length == Length)
                _positions = [.. Enumerable.Repeat(_positions, Rows).SelectMany(p => p)];
        }
    }

    /// <summary>Number of rows.</summary>
    public int Rows { get; }

    /// <summary>Number of columns.</summary>
    public int Length { get; }

    /// <summary>Token ids, row after row.</summary>
    public IReadOnlyList<long> Ids => _ids;

    /// <summary>Whether a column of a row is a real token.</summary>
    public bool IsReal(int row, int column) => _isReal[row * Length + column];

    /// <summary>Some rows as a batch: all columns, the padding marked.</summary>
    public TokenBatch Batch(int firstRow, int rows)
    {
        var range = (firstRow * Length)..((firstRow + rows) * Length);
        return new TokenBatch(rows, Length, _ids[range], _isReal[range]);
    }

    /// <summary>Positions and mask of some rows, as recorded; what is not recorded follows from the scheme.</summary>
    /// <exception cref="InvalidInputException">The recorded mask is none that a decoder can have.</exception>
    public SequenceInputs Inputs(IInputScheme scheme, int firstRow, int rows)
    {
        var derived = _positions is null || _attends is null ? scheme.Prompt(Batch(firstRow, rows)) : null;
        var mask = _attends is null ? derived!.Mask : RecordedMask(firstRow, rows);
        if (_positions is null)
            return new SequenceInputs(rows, Length, 0, derived!.Positions, mask, derived.BlockPositions);
        return _hasBlockPositions
            ? new SequenceInputs(rows, Length, 0, Positions(firstRow, rows, 2, 0), mask, Positions(firstRow, rows, 2, 1))
            : new SequenceInputs(rows, Length, 0, Positions(firstRow, rows, 1, 0), mask, derived?.BlockPositions);
    }

    /// <summary>Integers of a tensor of any integer dtype.</summary>
    public static long[] Integers(ITensorSource golden, string name)
    {
        var info = golden.Info(name);
        if (info.DType is not (DType.I64 or DType.I32 or DType.U8 or DType.I8 or DType.Bool))
            throw new InvalidInputException($"{golden.Location}: {info} has to hold integers.");
        using var values = golden.Load(name, dtype: TorchSharp.torch.ScalarType.Int64);
        return values.data<long>().ToArray();
    }

    private long[] Positions(int firstRow, int rows, int kinds, int kind) =>
        [.. Enumerable.Range(firstRow, rows).SelectMany(row => _positions!.AsSpan((row * kinds + kind) * Length, Length).ToArray())];

    private (bool[] IsReal, bool[]? Attends) ReadMask(ITensorSource golden)
    {
        if (!golden.Tensors.TryGetValue("attention_mask", out var info))
            return ([.. Enumerable.Repeat(true, Rows * Length)], null);
        var values = Integers(golden, "attention_mask");
        if (Has(info, Rows, Length))
            return ([.. values.Select(v => v != 0)], null);
        if (!Has(info, Rows, 1, Length, Length))
            throw Shape(info, $"[{Rows}, {Length}] or [{Rows}, 1, {Length}, {Length}]");
        // Booleans say what is masked, integers what is attended to: the two conventions of the originals.
        bool[] attends = [.. values.Select(v => (v != 0) != (info.DType == DType.Bool))];
        var isReal = new bool[Rows * Length];
        for (var row = 0; row < Rows; row++)
        {
            for (var key = 0; key < Length; key++)
                isReal[row * Length + key] = Enumerable.Range(0, Length).Any(query => attends[(row * Length + query) * Length + key]);
        }

        return (isReal, attends);
    }

    /// <summary>The recorded matrix in compact form: padding from columns nobody attends to, the prefix from what a first token sees ahead.</summary>
    private AttentionMask RecordedMask(int firstRow, int rows)
    {
        var padding = PaddingRules.Mask(Batch(firstRow, rows));
        var prefixEnds = new int[rows];
        for (var row = 0; row < rows; row++)
        {
            var first = padding.Starts?[row] ?? 0;
            for (var key = first + 1; key < Length; key++)
                if (Attends(firstRow + row, first, key)) prefixEnds[row] = key + 1;
            // Padding behind the prefix belongs to it: whether it does makes no difference.
            if (padding.Hidden?[row] is { Start: var start, End: var end } && start == prefixEnds[row]) prefixEnds[row] = end;
        }

        var mask = padding with { PrefixEnds = prefixEnds };
        for (var row = 0; row < rows; row++)
            for (var query = 0; query < Length; query++)
                for (var key = 0; key < Length && IsReal(firstRow + row, query); key++)
                    if (mask.Sees(row, query, key, prefix: true, window: 0) != Attends(firstRow + row, query, key))
                        throw new InvalidInputException($"{_location}: attention_mask of row {firstRow + row}, query {query}, key {key} fits neither causality nor a prefix with padding.");
        return mask;
    }

    private bool Attends(int row, int query, int key) => _attends![(((row * Length) + query) * Length) + key];

    private InvalidInputException Shape(TensorInfo info, string expected) => new($"{_location}: {info} has to have the shape {expected}.");

    private static bool Has(TensorInfo info, params ReadOnlySpan<long> shape) => info.Shape.ToArray().AsSpan().SequenceEqual(shape);
}
