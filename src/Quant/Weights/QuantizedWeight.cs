using System.Runtime.InteropServices;
using Generated.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Weights;

/// <summary>
/// A linear's weight in integers, as methods produce it and formats store it: w[o, k] = (code[o, k] − zero[o, g]) · scale[o, g],
/// where g is the group of column k. Codes are unsigned, 0 to 2^bits − 1.
/// </summary>
public sealed class QuantizedWeight
{
    /// <param name="outWidth">Rows.</param>
    /// <param name="inWidth">Columns.</param>
    /// <param name="bits">8 or 4.</param>
    /// <param name="groupSize">Columns of a group; 0 for one scale per row.</param>
    /// <param name="codes">[outWidth, inWidth].</param>
    /// <param name="scales">[outWidth, groups].</param>
    /// <param name="zeros">[outWidth, groups]; null if all are 2^(bits−1) (symmetric).</param>
    /// <param name="groupIndex">Group of each column (act-order GPTQ); null if column k is in group k / groupSize.</param>
    /// <exception cref="ArgumentException">Sizes that contradict each other.</exception>
    public QuantizedWeight(int outWidth, int inWidth, int bits, int groupSize, byte[] codes, float[] scales, byte[]? zeros = null, int[]? groupIndex = null)
    {
        ArgumentNullException.ThrowIfNull(codes);
        ArgumentNullException.ThrowIfNull(scales);
        if (bits is not (4 or 8))
            throw new ArgumentException($"{bits} bits are not supported: 8 or 4.", nameof(bits));
        (OutWidth, InWidth, Bits) = (outWidth, inWidth, bits);
        GroupSize = groupSize <= 0 || groupSize >= inWidth ? inWidth : groupSize;
        Groups = (inWidth + GroupSize - 1) / GroupSize;
        if (codes.LongLength != (long)outWidth * inWidth)
            throw new ArgumentException($"{codes.LongLength} codes for a weight of {outWidth} × {inWidth}.", nameof(codes));
        if (scales.LongLength != (long)outWidth * Groups)
            throw new ArgumentException($"{scales.LongLength} scales for {outWidth} rows of {Groups} groups.", nameof(scales));
        if (zeros is not null && zeros.LongLength != scales.LongLength)
            throw new ArgumentException($"{zeros.LongLength} zero points for {scales.LongLength} scales.", nameof(zeros));
        if (groupIndex is not null && groupIndex.Length != inWidth)
            throw new ArgumentException($"{groupIndex.Length} group indices for {inWidth} columns.", nameof(groupIndex));
        (Codes, Scales, Zeros, GroupIndex) = (codes, scales, zeros, groupIndex);
    }

    /// <summary>Rows.</summary>
    public int OutWidth { get; }

    /// <summary>Columns.</summary>
    public int InWidth { get; }

    /// <summary>8 or 4.</summary>
    public int Bits { get; }

    /// <summary>Columns of a group; <see cref="InWidth"/> where a row has one scale.</summary>
    public int GroupSize { get; }

    /// <summary>Scales of a row.</summary>
    public int Groups { get; }

    /// <summary>[<see cref="OutWidth"/>, <see cref="InWidth"/>].</summary>
    public byte[] Codes { get; }

    /// <summary>[<see cref="OutWidth"/>, <see cref="Groups"/>].</summary>
    public float[] Scales { get; }

    /// <summary>[<see cref="OutWidth"/>, <see cref="Groups"/>], or null where all are 2^(bits−1).</summary>
    public byte[]? Zeros { get; }

    /// <summary>Group of each column, or null where columns are in order.</summary>
    public int[]? GroupIndex { get; }

    /// <summary>Whether there are no zero points.</summary>
    public bool IsSymmetric => Zeros is null;

    /// <summary>Group of a column.</summary>
    public int GroupOf(int column) => GroupIndex is null ? column / GroupSize : GroupIndex[column];

    /// <summary>The weight that the integers stand for, [<see cref="OutWidth"/>, <see cref="InWidth"/>].</summary>
    public float[] Dequantize()
    {
        var result = new float[(long)OutWidth * InWidth];
        for (var row = 0; row < OutWidth; row++)
            Dequantize(row, MemoryMarshal.CreateSpan(ref result[(long)row * InWidth], InWidth));
        return result;
    }

    /// <summary>The same of some rows as a tensor of float32; the caller's. No managed copy is made: large ones outlive their use.</summary>
    internal unsafe Tensor Dequantize(int start, int rows, Device device)
    {
        var result = empty([rows, InWidth], ScalarType.Float32);
        var values = RowLayout.Floats(result);
        for (var row = 0; row < rows; row++)
            Dequantize(start + row, new Span<float>(values + (long)row * InWidth, InWidth));
        GC.KeepAlive(result);
        if (device.type == DeviceType.CPU)
            return result;
        using (result)
            return result.to(device);
    }

    private void Dequantize(int row, Span<float> into)
    {
        var symmetricZero = 1 << (Bits - 1);
        for (var column = 0; column < InWidth; column++)
        {
            var group = (long)row * Groups + GroupOf(column);
            into[column] = (Codes[(long)row * InWidth + column] - (Zeros is null ? symmetricZero : Zeros[group])) * Scales[group];
        }
    }
}
