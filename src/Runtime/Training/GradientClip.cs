using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Training;

/// <summary>Clipping of gradients by their common norm (Pascanu et al., 2013), as torch.nn.utils.clip_grad_norm_.</summary>
public static class GradientClip
{
    /// <summary>Scales all gradients by one factor so that their common L2 norm is at most <paramref name="limit"/>.</summary>
    /// <param name="parameters">Parameters; those without a gradient are passed over.</param>
    /// <param name="limit">Largest norm; infinity only measures.</param>
    /// <returns>The norm before clipping, a float32 scalar tensor on the gradients' device, which the caller disposes.</returns>
    public static Tensor ClipNorm(IEnumerable<Tensor> parameters, double limit)
    {
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var gradients = parameters.Select(p => p.grad).OfType<Tensor>().ToList();
        if (gradients.Count == 0)
            return torch.zeros([], ScalarType.Float32).MoveToOuterDisposeScope();
        var squares = gradients.Select(g =>
        {
            using var wide = g.to_type(ScalarType.Float32);
            using var squared = wide.Squared();
            return squared.sum();
        }).ToArray();
        var norm = torch.stack(squares).sum().sqrt();
        if (double.IsFinite(limit))
        {
            // The factor stays on the device: reading the norm here would wait for the whole backward pass.
            var factor = (limit / (norm + 1e-6)).clamp(max: 1);
            foreach (var gradient in gradients)
                gradient.mul_(gradient.dtype == ScalarType.Float32 ? factor : factor.to_type(gradient.dtype));
        }

        return norm.MoveToOuterDisposeScope();
    }
}
