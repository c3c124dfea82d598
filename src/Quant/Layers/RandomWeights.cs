using Generated.Architectures;
using Generated.Layers;
using Generated.Quant.Kernels;
using Generated.Quant.Recipes;

namespace Generated.Quant.Layers;

/// <summary>Packed weights of random codes, for measuring what a shape costs without any checkpoint.</summary>
public static class RandomWeights
{
    private const float Deviation = 0.02f;

    /// <summary>Puts them in the places of a model's linears, but for heads that are tied to the embedding.</summary>
    /// <param name="model">A model built with <see cref="BuildOptions.DeferMatrices"/>; what is left has to be allocated and filled.</param>
    /// <param name="format">Format of the weights; asymmetric ones have random zero points.</param>
    /// <param name="activations">Format of the inputs, with a static scale of 0.05 where it is per tensor; null for weight-only.</param>
    /// <returns>Bytes of the packed weights.</returns>
    public static long Put(CausalModel model, WeightFormat format, ActivationFormat? activations = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(format);
        var random = new Random(1);
        long bytes = 0;
        foreach (var slot in model.Linears().Where(l => l.Linear is DenseLinear { TiedTo: null }).ToList())
        {
            var before = slot.Linear;
            var part = new LinearPart
            {
                Matrix = Matrix(before.LocalOutWidth, before.LocalInWidth, format, random),
                Bias = before.Bias is null ? null : new float[before.LocalOutWidth],
                Activations = activations,
                InputScale = activations?.Per == ActivationGranularity.Tensor ? 0.05f : null,
            };
            var linear = new QuantizedLinear(before, part);
            slot.Linear = linear;
            bytes += linear.Bytes;
            before.Dispose();
        }

        return bytes;
    }

    private static PackedMatrix Matrix(int outWidth, int inWidth, WeightFormat format, Random random)
    {
        var groupSize = format.Per == Granularity.Group && format.GroupSize < inWidth ? format.GroupSize : 0;
        var groups = groupSize == 0 ? 1 : (inWidth + groupSize - 1) / groupSize;
        var scales = new float[(long)outWidth * groups];
        var codeDeviation = (1 << format.Bits) / MathF.Sqrt(12); // of evenly distributed codes
        Array.Fill(scales, (float)(Half)(Deviation / codeDeviation));
        var zeros = format.Symmetric ? null : new byte[scales.Length];
        if (zeros is not null)
            random.NextBytes(zeros);
        return format.Bits == 4
            ? PackedInt4Matrix.FromPacked(outWidth, inWidth, random.NextBytes, scales, groupSize, zeros is null ? null : Array.ConvertAll(zeros, z => (byte)(7 + z % 2)), null)
            : PackedInt8Matrix.FromPacked(outWidth, inWidth, random.NextBytes, scales, groupSize, zeros is null ? null : Array.ConvertAll(zeros, z => (short)(z % 3 - 1)), null);
    }
}
