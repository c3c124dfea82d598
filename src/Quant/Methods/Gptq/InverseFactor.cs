using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>
/// The upper Cholesky factor U of a damped Hessian's inverse: H⁻¹ = Uᵀ·U. It is the inverse of the factor M of H = M·Mᵀ with M
/// upper, so that H itself is never inverted. Damping starts at a share of the mean diagonal and grows tenfold where the
/// factorisation fails.
/// </summary>
internal sealed class InverseFactor : IDisposable
{
    private const int MostEscalations = 8;

    private InverseFactor(Tensor upper, double damping, int escalations) => (Upper, Damping, Escalations) = (upper, damping, escalations);

    /// <summary>U, [width, width].</summary>
    public Tensor Upper { get; }

    /// <summary>Share of the mean diagonal that was added.</summary>
    public double Damping { get; }

    /// <summary>How often it was raised.</summary>
    public int Escalations { get; }

    /// <summary>Factors.</summary>
    /// <param name="hessian">[width, width], without empty columns; kept as it is.</param>
    /// <param name="damping">First share.</param>
    /// <exception cref="GeneratedException">No damping tried made it positive definite.</exception>
    public static InverseFactor Of(Tensor hessian, double damping)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var mean = hessian.diagonal().mean().to_type(ScalarType.Float64).item<double>();
        var share = damping;
        for (var escalations = 0; escalations <= MostEscalations; escalations++, share = Math.Max(share, 1e-6) * 10)
        {
            using var inner = NewDisposeScope();
            var flipped = hessian.flip(0, 1);
            flipped.diagonal().add_(share * mean);
            var (lower, info) = linalg.cholesky_ex(flipped);
            if (info.item<int>() != 0)
                continue;
            var upper = lower.flip(0, 1);
            var identity = eye(hessian.shape[0], dtype: hessian.dtype, device: hessian.device);
            var inverse = linalg.solve_triangular(upper, identity, upper: true);
            if (inverse.isfinite().all().item<bool>())
                return new InverseFactor(inverse.DetachFromDisposeScope(), share, escalations);
        }

        throw new GeneratedException(FormattableString.Invariant(
            $"The Hessian of a weight of {hessian.shape[0]} inputs is not positive definite even with {share / 10:g2} of its mean diagonal added; calibrate on more or other text, or use round to nearest for it."));
    }

    /// <inheritdoc/>
    public void Dispose() => Upper.Dispose();
}
