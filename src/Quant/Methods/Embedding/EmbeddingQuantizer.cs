using Generated.Layers;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>Quantizes a token embedding, one scale per row.</summary>
internal static class EmbeddingQuantizer
{
    private const int RowsAtOnce = 4096;

    /// <summary>Quantizes a matrix.</summary>
    /// <param name="weight">[tokens, width].</param>
    /// <param name="format">Bits and spacing.</param>
    /// <param name="rounding">How values between two codes are rounded; of the logarithm where codes are spaced by it.</param>
    /// <exception cref="InvalidInputException">The matrix holds NaN or infinity.</exception>
    public static EmbeddingState Quantize(IWeightRows weight, EmbeddingFormat format, Rounding rounding)
    {
        ArgumentNullException.ThrowIfNull(weight);
        ArgumentNullException.ThrowIfNull(format);
        if (format.Bits is not (8 or 16))
            throw new InvalidInputException($"An embedding of {format.Bits} bits is not supported: 8 or 16.");
        using var noGrad = no_grad();
        var (rows, width) = (weight.OutWidth, weight.InWidth);
        var codes = new short[(long)rows * width];
        var scales = new float[rows];
        var limit = (1 << (format.Bits - 1)) - 1;
        foreach (var (start, count) in weight.Ranges((long)RowsAtOnce * width))
        {
            using var scope = NewDisposeScope();
            var part = weight.Rows(start, count).cpu();
            Calibration.Finite.Require(part, "The embedding's weights");
            part = part.to_type(ScalarType.Float32);
            var largest = part.abs().amax([1], keepdim: true);
            var isLog = format.Spacing == EmbeddingSpacing.Log;
            var scale = where(largest > 0, (isLog ? largest : largest / limit).clamp_min(1.1754943508222875e-38), ones_like(largest));
            var places = isLog ? Logarithmic(part / scale, limit, StepsOf(format.Bits), rounding) : Rounder.Round(part / scale, rounding);
            places.clamp(-limit, limit).to_type(ScalarType.Int16).contiguous().data<short>().CopyTo(codes.AsSpan(start * width));
            scale.contiguous().data<float>().CopyTo(scales.AsSpan(start));
        }

        return new EmbeddingState(rows, width, format, codes, scales);
    }

    /// <summary>What codes stand for, [rows, width].</summary>
    public static float[] Dequantize(EmbeddingState state) => Dequantize(state, 0, state.Rows);

    /// <summary>The same of some rows.</summary>
    public static float[] Dequantize(EmbeddingState state, int start, int rows)
    {
        ArgumentNullException.ThrowIfNull(state);
        var result = new float[(long)rows * state.Width];
        var first = (long)start * state.Width;
        var isLog = state.Format.Spacing == EmbeddingSpacing.Log;
        var steps = StepsOf(state.Format.Bits);
        for (var i = 0; i < result.Length; i++)
        {
            var (code, scale) = (state.Codes[first + i], state.Scales[start + i / state.Width]);
            result[i] = !isLog || code == 0 ? code * scale : (float)(Math.Sign(code) * scale * Math.Pow(2, -(Math.Abs((int)code) - 1) / steps));
        }

        return result;
    }

    private static double StepsOf(int bits) => bits == 8 ? 8 : 2048;

    /// <summary>sign · (1 + round(−s·log₂|x|)); 0 where that lies beyond the codes and 0 is the nearer one.</summary>
    private static Tensor Logarithmic(Tensor shares, int limit, double steps, Rounding rounding)
    {
        var magnitude = shares.abs().to_type(ScalarType.Float64);
        var smallest = Math.Pow(2, -(limit - 1) / steps);
        var places = Rounder.Round(magnitude.clamp_min(smallest).log2().mul(-steps), rounding) + 1;
        return where(magnitude < smallest / 2, zeros_like(places), places * shares.sign());
    }
}
