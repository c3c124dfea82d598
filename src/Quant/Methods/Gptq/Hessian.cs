using Generated.Quant.Calibration;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>
/// The Hessian of a linear's squared output error with respect to a row of its weight: H = 2/n · Σ x·xᵀ over calibration tokens,
/// the same for every linear that reads the value. Products are float32 per call, sums float64 up to a width at which that costs
/// little and float32 beyond, as in the paper's code. It is the one matrix of width² that GPTQ needs of a value: it is factored in its own memory, once for all its linears.
/// </summary>
internal sealed class Hessian : IDisposable
{
    private const int WidestFloat64 = 2048;
    private const int RowsAtOnce = 1024;
    private const int PanelRows = 1024;
    private Tensor? _sum;
    private FactoredHessian? _factored;

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
    /// <exception cref="InvalidOperationException">It has been taken or factored.</exception>
    public void Add(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        if (rows.dim() != 2 || rows.shape[1] != Width)
            throw new ArgumentException($"Rows of [{string.Join(", ", rows.shape)}] for a Hessian of {Width} channels.", nameof(rows));
        var sum = _sum ?? throw new InvalidOperationException("Tokens for a Hessian that has been factored.");
        if (rows.shape[0] == 0)
            return;
        Finite.Require(rows, "The calibration activations");
        using var noGrad = no_grad();
        for (var start = 0L; start < rows.shape[0]; start += RowsAtOnce)
        {
            using var scope = NewDisposeScope();
            var part = rows.narrow(0, start, Math.Min(RowsAtOnce, rows.shape[0] - start)).to(sum.device).to_type(ScalarType.Float32);
            for (var top = 0; top < Width; top += PanelRows)
            {
                using var panelScope = NewDisposeScope();
                var count = Math.Min(PanelRows, Width - top);
                sum.narrow(0, top, count).add_(part.narrow(1, top, count).t().matmul(part));
            }
        }

        Tokens += rows.shape[0];
    }

    /// <summary>H, [width, width], in the memory of the sum; the caller's. Nothing can be added afterwards.</summary>
    /// <exception cref="InvalidInputException">There were no tokens.</exception>
    /// <exception cref="InvalidOperationException">It has been taken or factored.</exception>
    public Tensor Take()
    {
        if (Tokens == 0)
            throw new InvalidInputException("There are no calibration tokens; give a calibration text with at least one.");
        var sum = _sum ?? throw new InvalidOperationException("A Hessian can be taken or factored once.");
        _sum = null;
        sum.mul_(2.0 / Tokens);
        return sum;
    }

    /// <summary>H and the factor of its inverse; this object's. Nothing can be added afterwards.</summary>
    /// <param name="options">Order and damping; of the first call.</param>
    /// <exception cref="InvalidInputException">There were no tokens, or every channel was zero on all of them.</exception>
    /// <exception cref="GeneratedException">It cannot be factored.</exception>
    public FactoredHessian Factored(GptqOptions options) => _factored ??= FactoredHessian.Of(Take(), options);

    /// <inheritdoc/>
    public void Dispose()
    {
        _sum?.Dispose();
        _factored?.Dispose();
    }
}
