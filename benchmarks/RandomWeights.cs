using Generated.Quant.Kernels;

namespace Generated.Benchmarks;

/// <summary>Packed matrices of random codes.</summary>
internal static class RandomWeights
{
    private static readonly Random Random = new(3);

    public static PackedInt8Matrix Int8(int outWidth, int inWidth)
    {
        var codes = new sbyte[outWidth * inWidth];
        Random.NextBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(codes.AsSpan()));
        return new PackedInt8Matrix(outWidth, inWidth, codes, Scales(outWidth));
    }

    public static PackedInt4Matrix Int4(int outWidth, int inWidth, int groupSize, bool symmetric)
    {
        var groups = outWidth * ((inWidth + groupSize - 1) / groupSize);
        var codes = Codes(outWidth * inWidth);
        return new PackedInt4Matrix(outWidth, inWidth, codes, Scales(groups), groupSize, symmetric ? [] : Codes(groups));
    }

    private static byte[] Codes(int count)
    {
        var codes = new byte[count];
        Random.NextBytes(codes);
        for (var i = 0; i < count; i++)
            codes[i] &= 15;
        return codes;
    }

    private static float[] Scales(int count) => Enumerable.Range(0, count).Select(_ => (float)(Half)(0.001f + 0.01f * Random.NextSingle())).ToArray();
}
