using Generated.Quant.Recipes;

namespace Generated.Quant.Methods;

/// <summary>
/// A token embedding in integers. Evenly spaced: w = code · scale. By powers of two: w = sign(code) · scale · 2^(−(|code| − 1) / s)
/// with s = 8 steps an octave for 8 bits and 2048 for 16, and 0 for code 0.
/// </summary>
/// <param name="Rows">Tokens.</param>
/// <param name="Width">Channels.</param>
/// <param name="Bits">8 or 16.</param>
/// <param name="Spacing">How codes are spaced.</param>
/// <param name="Codes">[rows, width]; within ±127 for 8 bits.</param>
/// <param name="Scales">[rows].</param>
internal sealed record QuantizedEmbedding(int Rows, int Width, int Bits, EmbeddingSpacing Spacing, short[] Codes, float[] Scales)
{
    /// <summary>The largest code.</summary>
    public int MaxCode => (1 << (Bits - 1)) - 1;

    /// <summary>Codes an octave of the logarithmic spacing.</summary>
    public double StepsPerOctave => StepsOf(Bits);

    /// <summary>What a row stands for.</summary>
    /// <param name="row">0 to <see cref="Rows"/> − 1.</param>
    /// <param name="values">[width].</param>
    public void Dequantize(int row, Span<float> values)
    {
        var codes = Codes.AsSpan(row * Width, Width);
        var scale = Scales[row];
        for (var i = 0; i < codes.Length; i++)
        {
            var code = codes[i];
            values[i] = Spacing == EmbeddingSpacing.AbsMax || code == 0
                ? code * scale
                : (float)(Math.Sign(code) * scale * Math.Pow(2, -(Math.Abs((int)code) - 1) / StepsPerOctave));
        }
    }

    /// <summary>What all codes stand for, [rows, width].</summary>
    public float[] Dequantize()
    {
        var result = new float[Codes.Length];
        for (var row = 0; row < Rows; row++)
            Dequantize(row, result.AsSpan(row * Width, Width));
        return result;
    }

    internal static double StepsOf(int bits) => bits == 8 ? 8 : 2048;
}
