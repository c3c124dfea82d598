using Generated.Layers;
using Generated.Quant.Calibration;
using Generated.Quant.Recipes;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>
/// All linears that read one value, and that value on calibration tokens: what a search decides about, jointly. Its tensors
/// are the caller's.
/// </summary>
/// <param name="Inputs">Sampled tokens, float32 [n, in]; after a shift, the shifted value.</param>
/// <param name="Statistics">Of all calibration tokens, of the same value.</param>
/// <param name="Weights">Float32 [out, in] each: q, k and v, or gate and up.</param>
/// <param name="Format">Format their weights get, or null.</param>
/// <param name="Activations">Format the value gets, or null.</param>
internal sealed record SiteProblem(
    Tensor Inputs, ChannelStatistics Statistics, IReadOnlyList<IWeightRows> Weights, WeightFormat? Format, ActivationFormat? Activations)
{
    /// <summary>Channels of the value.</summary>
    public int Width => Statistics.Width;

    /// <summary>Refuses what contradicts itself or is not finite.</summary>
    public SiteProblem Checked()
    {
        if (Weights.Count == 0)
            throw new ArgumentException("A site without linears.");
        if (Inputs.dim() != 2 || Inputs.shape[1] != Width || Inputs.shape[0] == 0)
            throw new ArgumentException($"Inputs of [{string.Join(", ", Inputs.shape)}] for {Width} channels.");
        foreach (var weight in Weights)
        {
            if (weight.InWidth != Width)
                throw new ArgumentException($"A weight of [{weight.OutWidth}, {weight.InWidth}] for {Width} channels.");
            foreach (var (start, count) in weight.Ranges())
            {
                using var rows = weight.Rows(start, count);
                Finite.Require(rows, "The weights");
            }
        }

        Finite.Require(Inputs, "The calibration activations");
        return this;
    }
}
