using Generated.Quant.Calibration;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>
/// The Hessian of a linear's squared output error with respect to a row of its weight: H = 2/n · Σ x·xᵀ over calibration tokens,
/// the same for every linear that reads the value. Products are float32 per call, sums float64 up to a width at which that fits.
/// </summary>
internal sealed class Hessian : IDisposable
{
    private const int WidestFloat64 = 4096;
    private const int RowsAtOnce = 1024;
    private readonly Tensor _sum;

    /// <param name="width">Channels of the value.</param>
    /// <param name="device">Where it is kept; the CPU by default.</param>
    public Hessian(int width, Device? device = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        Width = width;
        _sum = zeros(width, width, width <= WidestFloat64 ? ScalarType.Float64 : ScalarType.Float32, device ?? CPU).DetachFromDisposeScope();
    }

    /// <summary>Channels of the value.</summary>
    public int Width { get; }

    /// <summary>Rows added.</summary>
    public long Tokens { get; private set; }

    /// <summary>Adds tokens.</summary>
    /// <param name="rows">[n, width], real tokens only; the caller's.</param>
    /// <exception cref="InvalidInputException">A value is NaN or infinite.</exception>
    public void Add(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        if (rows.dim() != 2 || rows.shape[1] != Width)
            throw new ArgumentException($"Rows of [{string.Join(", ", rows.shape)}] for a Hessian of {Width} channels.", nameof(rows));
        if (rows.shape[0] == 0)
            return;
        Finite.Require(rows, "The calibration activations");
        using var noGrad = no_grad();
        for (var start = 0L; start < rows.shape[0]; start += RowsAtOnce)
        {
            using var scope = NewDisposeScope();
            var part = rows.narrow(0, start, Math.Min(RowsAtOnce, rows.shape[0] - start)).to(_sum.device).to_type(ScalarType.Float32);
            _sum.add_(part.t().matmul(part));
        }

        Tokens += rows.shape[0];
    }

    /// <summary>H, [width, width]; the caller's.</summary>
    public Tensor ToTensor() => Tokens > 0
        ? _sum.mul(2.0 / Tokens)
        : throw new InvalidInputException("There are no calibration tokens; give a calibration text with at least one.");

    /// <inheritdoc/>
    public void Dispose() => _sum.Dispose();
}
