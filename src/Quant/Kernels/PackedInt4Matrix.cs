using Generated.Kernels;

namespace Generated.Quant.Kernels;

/// <summary>A weight in 4-bit codes, two in a byte, with one scale per group and optional zero points.</summary>
/// <inheritdoc cref="PackedMatrix" path="/remarks"/>
public sealed unsafe class PackedInt4Matrix : PackedMatrix
{
    private const int LargestCode = 15;
    private readonly PackedStorage _storage;

    /// <param name="outWidth">Number of outputs.</param>
    /// <param name="inWidth">Number of inputs.</param>
    /// <param name="codes">[outWidth, inWidth], 0 to 15, one per byte.</param>
    /// <param name="scales">[outWidth, groups], finite.</param>
    /// <param name="groupSize">Columns per group, a multiple of 32; 0 for one scale per output. The last group may be shorter.</param>
    /// <param name="zeros">[outWidth, groups] codes of the value 0 (0 to 16: GPTQ files can hold 16); empty if all are 8 (symmetric).</param>
    /// <param name="groupIndex">g_idx of act-order GPTQ: the group of each column; empty if column k is in group k / groupSize.</param>
    /// <exception cref="InvalidInputException">Sizes that contradict each other, a code above 15, or a scale that is not finite.</exception>
    public PackedInt4Matrix(int outWidth, int inWidth, ReadOnlySpan<byte> codes, ReadOnlySpan<float> scales, int groupSize,
        ReadOnlySpan<byte> zeros = default, ReadOnlySpan<int> groupIndex = default)
        : base(CheckShape(outWidth, inWidth, groupSize, codes.Length, scales.Length, zeros.Length))
    {
        if (codes.IndexOfAnyExceptInRange((byte)0, (byte)LargestCode) is >= 0 and var place)
            throw new InvalidInputException($"Code {codes[place]} at row {place / inWidth}, column {place % inWidth} of a 4-bit weight is above {LargestCode}.");
        var order = ColumnOrder.Of(groupIndex, inWidth, Shape.GroupSize);
        _storage = new PackedStorage(Shape.Blocks * (long)Int4Codes.BlockBytes, outWidth, scales, zeros, order, Slack);
        for (var output = 0; output < outWidth; output++)
        {
            var source = codes.Slice(output * inWidth, inWidth);
            var row = _storage.Codes + output * _storage.RowBytes;
            for (var k = 0; k < inWidth; k++)
            {
                var code = source[order is null ? k : order[k]];
                row[Int4Codes.ByteOf(k)] |= (byte)(code << Int4Codes.ShiftOf(k));
            }
        }
    }

    private PackedInt4Matrix(PackedShape shape, PackedStorage storage)
        : base(shape) => _storage = storage;

    internal override PackedStorage Storage => _storage;

    /// <inheritdoc/>
    public override int Bits => 4;

    /// <inheritdoc/>
    public override bool IsSymmetric => _storage.Zeros == null;

    /// <inheritdoc/>
    public override long Bytes => _storage.Bytes;

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Packed => _storage.CodeBytes;

    /// <summary>Reads back the codes of one output, one per byte, in the original order of columns.</summary>
    /// <param name="output">Which output.</param>
    /// <param name="codes">[InWidth].</param>
    public void UnpackCodes(int output, Span<byte> codes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)output, (uint)OutWidth);
        ArgumentOutOfRangeException.ThrowIfNotEqual(codes.Length, InWidth);
        var row = _storage.Codes + output * _storage.RowBytes;
        var order = _storage.Order;
        for (var k = 0; k < InWidth; k++)
            codes[order == null ? k : order[k]] = (byte)((row[Int4Codes.ByteOf(k)] >> Int4Codes.ShiftOf(k)) & LargestCode);
    }

    /// <summary>Makes a matrix of bytes that <see cref="PackedMatrix.Packed"/> gave, as they come from a file.</summary>
    /// <param name="outWidth">Number of outputs.</param>
    /// <param name="inWidth">Number of inputs.</param>
    /// <param name="packed">[outWidth, ⌈inWidth / 32⌉ · 16] bytes; columns sorted by group if <paramref name="groupIndex"/> is given.</param>
    /// <param name="scales">[outWidth, groups], finite.</param>
    /// <param name="groupSize">Columns per group, a multiple of 32; 0 for one scale per output.</param>
    /// <param name="zeros">[outWidth, groups]; empty if symmetric.</param>
    /// <param name="groupIndex">g_idx of act-order GPTQ; empty if columns are in order.</param>
    /// <exception cref="InvalidInputException">Sizes that contradict each other, or a scale that is not finite.</exception>
    public static PackedInt4Matrix FromPacked(int outWidth, int inWidth, ReadOnlySpan<byte> packed, ReadOnlySpan<float> scales, int groupSize = 0,
        ReadOnlySpan<byte> zeros = default, ReadOnlySpan<int> groupIndex = default)
    {
        var (shape, storage) = Allocate(outWidth, inWidth, scales, groupSize, zeros, groupIndex);
        try
        {
            storage.Fill(packed);
            return new PackedInt4Matrix(shape, storage);
        }
        catch
        {
            storage.Dispose();
            throw;
        }
    }

    /// <summary>The same from bytes that are read straight into place.</summary>
    internal static PackedInt4Matrix FromPacked(int outWidth, int inWidth, PackedReader packed, ReadOnlySpan<float> scales, int groupSize,
        ReadOnlySpan<byte> zeros, ReadOnlySpan<int> groupIndex)
    {
        var (shape, storage) = Allocate(outWidth, inWidth, scales, groupSize, zeros, groupIndex);
        try
        {
            storage.Fill(packed);
            return new PackedInt4Matrix(shape, storage);
        }
        catch
        {
            storage.Dispose();
            throw;
        }
    }

    private static (PackedShape, PackedStorage) Allocate(int outWidth, int inWidth, ReadOnlySpan<float> scales, int groupSize, ReadOnlySpan<byte> zeros, ReadOnlySpan<int> groupIndex)
    {
        var shape = CheckShape(outWidth, inWidth, groupSize, (long)outWidth * inWidth, scales.Length, zeros.Length);
        return (shape, new PackedStorage(shape.Blocks * (long)Int4Codes.BlockBytes, outWidth, scales, zeros, ColumnOrder.Of(groupIndex, inWidth, shape.GroupSize), Slack));
    }

    /// <inheritdoc/>
    public override void Dispose() => _storage.Dispose();

    internal override void Multiply(KernelPath path, float* x, float* bias, float* y, int rows, ThreadTeam team)
        => PackedProduct<Int4Codes>.Multiply(path, _storage, Shape, x, bias, y, rows, team);

    private protected override void DequantizeRows(float* destination, int start, int count, ThreadTeam team)
        => PackedProduct<Int4Codes>.Dequantize(_storage, Shape, destination, start, count, team);
}
