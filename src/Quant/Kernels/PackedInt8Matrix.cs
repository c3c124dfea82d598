using System.Runtime.InteropServices;
using Generated.Kernels;

namespace Generated.Quant.Kernels;

/// <summary>A weight in signed 8-bit codes, with one scale per output or per group, and optional zero points.</summary>
/// <inheritdoc cref="PackedMatrix" path="/remarks"/>
public sealed unsafe class PackedInt8Matrix : PackedMatrix
{
    private readonly PackedStorage _storage;

    /// <param name="outWidth">Number of outputs.</param>
    /// <param name="inWidth">Number of inputs.</param>
    /// <param name="codes">[outWidth, inWidth], −128 to 127.</param>
    /// <param name="scales">[outWidth, groups], finite.</param>
    /// <param name="groupSize">Columns per group, a multiple of 32; 0 for one scale per output. The last group may be shorter.</param>
    /// <param name="zeros">[outWidth, groups] codes of the value 0; empty if all are 0. (Unsigned codes q with zero point z are codes q − 128 with zero z − 128.)</param>
    /// <param name="groupIndex">g_idx of act-order GPTQ: the group of each column; empty if column k is in group k / groupSize.</param>
    /// <exception cref="InvalidInputException">Sizes that contradict each other, or a scale that is not finite.</exception>
    public PackedInt8Matrix(int outWidth, int inWidth, ReadOnlySpan<sbyte> codes, ReadOnlySpan<float> scales, int groupSize = 0,
        ReadOnlySpan<short> zeros = default, ReadOnlySpan<int> groupIndex = default)
        : base(CheckShape(outWidth, inWidth, groupSize, codes.Length, scales.Length, zeros.Length))
    {
        var order = ColumnOrder.Of(groupIndex, inWidth, Shape.GroupSize);
        _storage = new PackedStorage(Shape.Blocks * (long)Int8Codes.BlockBytes, outWidth, scales, MemoryMarshal.AsBytes(zeros), order, Slack);
        for (var output = 0; output < outWidth; output++)
        {
            var source = codes.Slice(output * inWidth, inWidth);
            var row = new Span<sbyte>(_storage.Codes + output * _storage.RowBytes, inWidth);
            if (order is null)
                source.CopyTo(row);
            else
            {
                for (var k = 0; k < inWidth; k++)
                    row[k] = source[order[k]];
            }
        }
    }

    private PackedInt8Matrix(PackedShape shape, PackedStorage storage)
        : base(shape) => _storage = storage;

    /// <summary>The same of codes 0 to 255, of which 128 are subtracted in place.</summary>
    internal static PackedInt8Matrix OfUnsigned(int outWidth, int inWidth, ReadOnlySpan<byte> codes, ReadOnlySpan<float> scales, int groupSize,
        ReadOnlySpan<short> zeros, ReadOnlySpan<int> groupIndex)
    {
        var matrix = new PackedInt8Matrix(outWidth, inWidth, MemoryMarshal.Cast<byte, sbyte>(codes), scales, groupSize, zeros, groupIndex);
        var storage = matrix._storage;
        for (var output = 0; output < outWidth; output++)
        {
            foreach (ref var code in new Span<byte>(storage.Codes + output * storage.RowBytes, inWidth))
                code ^= 0x80;
        }

        return matrix;
    }

    internal override PackedStorage Storage => _storage;

    /// <inheritdoc/>
    public override int Bits => 8;

    /// <inheritdoc/>
    public override bool IsSymmetric => _storage.Zeros == null;

    /// <inheritdoc/>
    public override long Bytes => _storage.Bytes;

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Packed => _storage.CodeBytes;

    /// <summary>
    /// y = x · Wᵀ + bias with activations in 8 bits too (W8A8): x is rounded to round(x / s), half to even, within −128…127; the sum of
    /// the integer products is exact and scaled by s and the weight's scale once. Needs one scale per output and no zero points.
    /// </summary>
    /// <param name="x">[rows, InWidth] float32.</param>
    /// <param name="bias">[OutWidth] float32, or null.</param>
    /// <param name="y">[rows, OutWidth] float32; must not overlap <paramref name="x"/>.</param>
    /// <param name="rows">Number of input rows.</param>
    /// <param name="activationScale">s, one for the whole tensor (static); null takes max|x| / 127 of each row (dynamic, per token).</param>
    /// <param name="team">Threads to use; <see cref="ThreadTeam.Shared"/> if null.</param>
    /// <remarks>An input row with NaN or infinity gives an output row of NaN.</remarks>
    public void MultiplyInt8(float* x, float* bias, float* y, int rows, float? activationScale, ThreadTeam? team = null)
        => MultiplyInt8(Cpu.Path, x, bias, y, rows, activationScale, team ?? ThreadTeam.Shared);

    /// <summary>Reads back the codes of one output, in the original order of columns.</summary>
    /// <param name="output">Which output.</param>
    /// <param name="codes">[InWidth].</param>
    public void UnpackCodes(int output, Span<sbyte> codes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)output, (uint)OutWidth);
        ArgumentOutOfRangeException.ThrowIfNotEqual(codes.Length, InWidth);
        var row = (sbyte*)_storage.Codes + output * _storage.RowBytes;
        var order = _storage.Order;
        for (var k = 0; k < InWidth; k++)
            codes[order == null ? k : order[k]] = row[k];
    }

    /// <summary>Makes a matrix of bytes that <see cref="PackedMatrix.Packed"/> gave, as they come from a file.</summary>
    /// <param name="outWidth">Number of outputs.</param>
    /// <param name="inWidth">Number of inputs.</param>
    /// <param name="packed">[outWidth, ⌈inWidth / 32⌉ · 32] bytes; columns sorted by group if <paramref name="groupIndex"/> is given.</param>
    /// <param name="scales">[outWidth, groups], finite.</param>
    /// <param name="groupSize">Columns per group, a multiple of 32; 0 for one scale per output.</param>
    /// <param name="zeros">[outWidth, groups]; empty if symmetric.</param>
    /// <param name="groupIndex">g_idx of act-order GPTQ; empty if columns are in order.</param>
    /// <exception cref="InvalidInputException">Sizes that contradict each other, or a scale that is not finite.</exception>
    public static PackedInt8Matrix FromPacked(int outWidth, int inWidth, ReadOnlySpan<byte> packed, ReadOnlySpan<float> scales, int groupSize = 0,
        ReadOnlySpan<short> zeros = default, ReadOnlySpan<int> groupIndex = default)
    {
        var (shape, storage) = Allocate(outWidth, inWidth, scales, groupSize, zeros, groupIndex);
        try
        {
            storage.Fill(packed);
            return new PackedInt8Matrix(shape, storage);
        }
        catch
        {
            storage.Dispose();
            throw;
        }
    }

    /// <summary>The same from bytes that are read straight into place.</summary>
    internal static PackedInt8Matrix FromPacked(int outWidth, int inWidth, PackedReader packed, ReadOnlySpan<float> scales, int groupSize,
        ReadOnlySpan<short> zeros, ReadOnlySpan<int> groupIndex)
    {
        var (shape, storage) = Allocate(outWidth, inWidth, scales, groupSize, zeros, groupIndex);
        try
        {
            storage.Fill(packed);
            return new PackedInt8Matrix(shape, storage);
        }
        catch
        {
            storage.Dispose();
            throw;
        }
    }

    private static (PackedShape, PackedStorage) Allocate(int outWidth, int inWidth, ReadOnlySpan<float> scales, int groupSize, ReadOnlySpan<short> zeros, ReadOnlySpan<int> groupIndex)
    {
        var shape = CheckShape(outWidth, inWidth, groupSize, (long)outWidth * inWidth, scales.Length, zeros.Length);
        return (shape, new PackedStorage(shape.Blocks * (long)Int8Codes.BlockBytes, outWidth, scales, MemoryMarshal.AsBytes(zeros), ColumnOrder.Of(groupIndex, inWidth, shape.GroupSize), Slack));
    }

    /// <inheritdoc/>
    public override void Dispose() => _storage.Dispose();

    internal void MultiplyInt8(KernelPath path, float* x, float* bias, float* y, int rows, float? activationScale, ThreadTeam team)
    {
        if (Groups != 1 || !IsSymmetric)
            throw new InvalidOperationException("8-bit activations need a weight with one scale per output and no zero points; requantize it so, or use Multiply.");
        IntegerProduct.Multiply(path, _storage, Shape, x, bias, y, rows, activationScale, null, team);
    }

    /// <summary>The same with a scale given for each row, as ranks that hold parts of a row agree on it.</summary>
    internal void MultiplyInt8(float* x, float* bias, float* y, int rows, float* rowScales)
        => IntegerProduct.Multiply(Cpu.Path, _storage, Shape, x, bias, y, rows, null, rowScales, ThreadTeam.Shared);

    internal override void Multiply(KernelPath path, float* x, float* bias, float* y, int rows, ThreadTeam team)
        => PackedProduct<Int8Codes>.Multiply(path, _storage, Shape, x, bias, y, rows, team);

    private protected override void DequantizeRows(float* destination, int start, int count, ThreadTeam team)
        => PackedProduct<Int8Codes>.Dequantize(_storage, Shape, destination, start, count, team);
}
