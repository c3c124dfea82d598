using Generated.Architectures;
using Generated.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Training;

/// <summary>
/// Starting weights for training from nothing (Radford et al., 2019): matrices N(0, σ), those whose result is added to the residual stream
/// N(0, σ/√(2·layers)), norm weights 1, biases 0. Equal seeds give equal weights.
/// </summary>
public static class WeightInitializer
{
    /// <summary>Fills all weights of a model.</summary>
    /// <param name="model">A model on one rank.</param>
    /// <param name="seed">Where the random numbers start.</param>
    /// <param name="deviation">σ.</param>
    public static void Initialize(CausalModel model, ulong seed, double deviation = 0.02)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var noGrad = torch.no_grad();
        using var generator = new torch.Generator(seed);
        var scaled = deviation / Math.Sqrt(2.0 * Math.Max(1, model.AllBlocks.Count));
        // The compiler found where a block's linears end in the residual stream: it divides those by input features.
        var residual = model.AllBlocks.SelectMany(block => block.LinearSites.Select(site => site.Get(block)))
            .Where(linear => linear is { Shard.Kind: ShardKind.Row }).ToHashSet();
        foreach (var slot in model.Weights().Where(slot => !slot.IsTied))
        {
            var value = slot.Parameter!.Value;
            if (slot.Spec.Kind == TensorKind.Bias)
                value.zero_();
            else if (slot.Layer is INorm)
                value.fill_(1);
            else
                FillNormal(value, residual.Contains(slot.Layer as Linear) ? scaled : deviation, generator);
            slot.Parameter.Changed();
        }
    }

    /// <summary>The numbers are drawn in float32 on the CPU, so that dtype and device do not change them.</summary>
    private static void FillNormal(Tensor value, double deviation, torch.Generator generator)
    {
        using var numbers = torch.empty(value.shape, ScalarType.Float32);
        numbers.normal_(0, deviation, generator);
        value.copy_(numbers);
    }
}
