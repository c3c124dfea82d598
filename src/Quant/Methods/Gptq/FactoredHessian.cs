using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>
/// A Hessian H in the order of quantization, and the upper Cholesky factor U of its damped inverse, H⁻¹ = Uᵀ·U, both in the memory of
/// one matrix: U from the diagonal on, H below it and its diagonal apart. U is the inverse of the factor M of H = M·Mᵀ with M upper,
/// so that H itself is never inverted. Damping starts at a share of the mean diagonal and grows tenfold where the factorisation fails.
/// </summary>
internal sealed class FactoredHessian : IDisposable
{
    private const int MostEscalations = 8;
    private readonly Tensor _matrix;
    private readonly Tensor _diagonal;
    private readonly Tensor? _places;

    private FactoredHessian(Tensor matrix, Tensor diagonal, Tensor? places) => (_matrix, _diagonal, _places) = (matrix, diagonal, places);

    /// <summary>[width, width]; U from the diagonal on. What is below is not U's.</summary>
    public Tensor Upper => _matrix;

    /// <summary>The channel at each place; null for as they are.</summary>
    public int[]? Order { get; private init; }

    /// <summary>Channels that were zero on every token.</summary>
    public int DeadColumns { get; private init; }

    /// <summary>Share of the mean diagonal that was added.</summary>
    public double Damping { get; private set; }

    /// <summary>How often it was raised.</summary>
    public int Escalations { get; private set; }

    /// <summary>Factors in place.</summary>
    /// <param name="matrix">H, [width, width]; taken over, also where this fails.</param>
    /// <param name="options">First share, and whether places go by falling diagonal.</param>
    /// <exception cref="InvalidInputException">Every channel was zero on every token.</exception>
    /// <exception cref="GeneratedException">No damping tried made it positive definite.</exception>
    public static FactoredHessian Of(Tensor matrix, GptqOptions options)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        scope.Attach(matrix);
        var diagonal = matrix.diagonal().to_type(ScalarType.Float64).cpu().contiguous().data<double>().ToArray();
        var dead = diagonal.Count(d => d == 0);
        if (dead == diagonal.Length)
            throw new InvalidInputException("Every input of the weight was zero on all calibration tokens; calibrate on other text.");
        // A channel that is always zero has no say: any positive diagonal keeps it out of the others' way.
        var damped = where(matrix.diagonal() == 0, matrix.diagonal().mean(), matrix.diagonal());
        var kept = matrix.diagonal().clone();
        int[]? order = null;
        Tensor? places = null;
        if (options.ActOrder)
        {
            order = [.. Enumerable.Range(0, diagonal.Length).OrderByDescending(c => diagonal[c])];
            places = tensor(order.Select(c => (long)c).ToArray(), device: matrix.device);
            Permute(matrix, places);
            (damped, kept) = (damped.index_select(0, places), kept.index_select(0, places));
        }

        var result = new FactoredHessian(matrix, kept, places) { Order = order, DeadColumns = dead };
        result.Factor(damped, options.Damping);
        matrix.DetachFromDisposeScope();
        kept.DetachFromDisposeScope();
        places?.DetachFromDisposeScope();
        return result;
    }

    /// <summary>tr(R·H·Rᵀ), H undamped: over all tokens the mean square of what rows R make of them, times two.</summary>
    /// <param name="rows">[n, width], channels as they are in the weight.</param>
    public double Energy(Tensor rows)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var placed = _places is null ? rows : rows.index_select(1, _places);
        var sum = (placed.Squared() * _diagonal).sum(ScalarType.Float64).item<double>();
        for (var start = 0L; start < _matrix.shape[0]; start += UpperTriangle.BlockSize)
        {
            using var inner = NewDisposeScope();
            var count = Math.Min(UpperTriangle.BlockSize, _matrix.shape[0] - start);
            var panel = placed.narrow(1, start, count);
            var below = _matrix.narrow(0, start, count);
            sum += 2 * (panel.matmul(below.narrow(1, start, count).tril(-1)) * panel).sum(ScalarType.Float64).item<double>();
            if (start > 0)
                sum += 2 * (panel.matmul(below.narrow(1, 0, start)) * placed.narrow(1, 0, start)).sum(ScalarType.Float64).item<double>();
        }

        return sum;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _matrix.Dispose();
        _diagonal.Dispose();
        _places?.Dispose();
    }

    private void Factor(Tensor diagonal, double damping)
    {
        var triangle = new UpperTriangle(_matrix);
        triangle.Mirror(fromUpper: true);
        var mean = diagonal.mean().to_type(ScalarType.Float64).item<double>();
        Damping = damping;
        for (Escalations = 0; Escalations <= MostEscalations; Escalations++, Damping = Math.Max(Damping, 1e-6) * 10)
        {
            using var scope = NewDisposeScope();
            if (Escalations > 0)
                triangle.Mirror(fromUpper: false);
            _matrix.diagonal().copy_(diagonal + Damping * mean);
            if (triangle.TryFactorInverse())
                return;
        }

        throw new GeneratedException(FormattableString.Invariant(
            $"The Hessian of a weight of {_matrix.shape[0]} inputs is not positive definite even with {Damping / 10:g2} of its mean diagonal added; calibrate on more or other text, or use round to nearest for it."));
    }

    /// <summary>Puts rows and columns in their places, a panel at a time.</summary>
    private static void Permute(Tensor matrix, Tensor places)
    {
        for (var axis = 0; axis < 2; axis++)
        {
            for (var start = 0L; start < matrix.shape[0]; start += UpperTriangle.BlockSize)
            {
                using var scope = NewDisposeScope();
                var panel = matrix.narrow(1 - axis, start, Math.Min(UpperTriangle.BlockSize, matrix.shape[0] - start));
                panel.copy_(panel.index_select(axis, places));
            }
        }
    }
}
