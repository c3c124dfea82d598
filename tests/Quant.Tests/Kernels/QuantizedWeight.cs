using Generated.Kernels;
using Generated.Quant.Kernels;

namespace Quant.Tests.Kernels;

/// <summary>A random quantized weight in plain arrays, and what it means in double precision: the tests' own definition.</summary>
internal sealed class QuantizedWeight
{
    public required int Bits { get; init; }

    public required int Out { get; init; }

    public required int In { get; init; }

    public required int GroupSize { get; init; }

    public required int[] Codes { get; init; }

    public required float[] Scales { get; init; }

    public required int[]? Zeros { get; init; }

    /// <summary>Group of each column.</summary>
    public required int[] GroupOf { get; init; }

    public bool ActOrder { get; init; }

    public int Groups => (In + GroupSize - 1) / GroupSize;

    public static QuantizedWeight Random(Random random, int bits, int outWidth, int inWidth, int groupSize, bool symmetric, bool actOrder = false, bool halfScales = true)
    {
        var size = groupSize == 0 ? inWidth : groupSize;
        var groups = (inWidth + size - 1) / size;
        var groupOf = Enumerable.Range(0, inWidth).Select(k => k / size).ToArray();
        if (actOrder)
            random.Shuffle(groupOf);
        return new QuantizedWeight
        {
            Bits = bits,
            Out = outWidth,
            In = inWidth,
            GroupSize = size,
            Codes = Enumerable.Range(0, outWidth * inWidth).Select(_ => bits == 8 ? random.Next(-128, 128) : random.Next(16)).ToArray(),
            Scales = Enumerable.Range(0, outWidth * groups).Select(_ => Scale(random, halfScales)).ToArray(),
            Zeros = symmetric ? null : Enumerable.Range(0, outWidth * groups).Select(_ => bits == 8 ? random.Next(-128, 129) : random.Next(17)).ToArray(),
            GroupOf = groupOf,
            ActOrder = actOrder,
        };
    }

    public int Zero(int output, int column) => Zeros is null ? (Bits == 8 ? 0 : 8) : Zeros[output * Groups + GroupOf[column]];

    public float ScaleOf(int output, int column) => Scales[output * Groups + GroupOf[column]];

    public double Value(int output, int column) => (double)ScaleOf(output, column) * (Codes[output * In + column] - Zero(output, column));

    public PackedMatrix Pack()
    {
        var index = ActOrder ? GroupOf : [];
        return Bits == 8
            ? new PackedInt8Matrix(Out, In, Codes.Select(code => (sbyte)code).ToArray(), Scales, GroupSize, Zeros?.Select(zero => (short)zero).ToArray() ?? [], index)
            : new PackedInt4Matrix(Out, In, Codes.Select(code => (byte)code).ToArray(), Scales, GroupSize, Zeros?.Select(zero => (byte)zero).ToArray() ?? [], index);
    }

    public static unsafe float[] Multiply(PackedMatrix matrix, KernelPath path, float[] x, float[]? bias, int rows, ThreadTeam team)
    {
        var y = new float[rows * matrix.OutWidth + 16];
        Array.Fill(y, 12345);
        fixed (float* px = x, pb = bias, py = y)
            matrix.Multiply(path, px, pb, py, rows, team);
        Assert.All(y[^16..], guard => Assert.Equal(12345, guard));
        return y[..^16];
    }

    private static float Scale(Random random, bool half)
    {
        var scale = MathF.Pow(10, random.NextSingle() * 3 - 4);
        return half ? (float)(Half)scale : scale;
    }
}
