using Generated.Quant.Calibration;
using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Qat;

/// <summary>Fake quantization of a linear's input in training, and the scale that it ends with.</summary>
internal abstract class ActivationQuantizer : IDisposable
{
    /// <summary>What is learned, by name.</summary>
    public virtual IEnumerable<KeyValuePair<string, Tensor>> Learned => [];

    /// <summary>What its observers have seen, as numbers, always as many; setting them goes on from there.</summary>
    public virtual double[] Seen
    {
        get => [];
        set
        {
        }
    }

    /// <summary>The static scale of the codes; null where every token has its own.</summary>
    /// <exception cref="InvalidOperationException">Nothing was seen yet.</exception>
    public abstract float? Scale { get; }

    /// <summary>What is taken off the input before it is rounded.</summary>
    public virtual float Offset => 0;

    /// <summary>The input as it is after quantization, with gradients; where they are enabled it also learns the range. Lives in the current scope.</summary>
    public abstract Tensor Apply(Tensor x);

    /// <inheritdoc/>
    public virtual void Dispose()
    {
    }

    /// <summary>Creates the kind that is asked for.</summary>
    public static ActivationQuantizer Create(QatActivations kind, ActivationFormat format, Rounding rounding, Device device) =>
        format.Per == ActivationGranularity.Token ? new TokenActivations(rounding) : kind switch
        {
            QatActivations.MovingAverageAbsMax => new MovingAverageActivations(rounding),
            QatActivations.Pact => new PactActivations(rounding, device),
            QatActivations.PactMovingAverage => new PactMovingAverageActivations(rounding, device),
            _ => new LsqPlusActivations(rounding, device),
        };

    /// <summary>Smallest and largest value of a batch, checked.</summary>
    protected static (double Min, double Max) Range(Tensor x)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var (min, max) = (x.min().to_type(ScalarType.Float64).item<double>(), x.max().to_type(ScalarType.Float64).item<double>());
        return double.IsFinite(min) && double.IsFinite(max) ? (min, max) : throw Finite.Refuse("The activations", double.IsNaN(min) ? min : max, "in training");
    }

    /// <summary>Rounds to the kernels' codes of a scale, −128 to 127, with the gradient of clipping.</summary>
    protected static Tensor Rounded(Tensor x, float scale, Rounding rounding)
    {
        var clipped = x.clamp((-FakeQuantize.Limit - 1) * scale, FakeQuantize.Limit * scale);
        return StraightThrough.Value(clipped, Rounder.Round(clipped / scale, rounding) * scale);
    }

    /// <summary>The exception of a scale that is asked for before any batch.</summary>
    protected static InvalidOperationException Unseen() => new("There is no activation scale before the first training batch.");
}

/// <summary>A scale per token, taken as it comes; the straight-through gradient is 1 everywhere, as nothing is clipped.</summary>
internal sealed class TokenActivations(Rounding rounding) : ActivationQuantizer
{
    /// <inheritdoc/>
    public override float? Scale => null;

    /// <inheritdoc/>
    public override Tensor Apply(Tensor x) => StraightThrough.Value(x, FakeQuantize.PerToken(x.detach(), rounding));
}

/// <summary>
/// A static scale from the moving average of each batch's largest magnitude, bias-corrected: aₜ = 0.9·aₜ₋₁ + max|x|, nₜ = 0.9·nₜ₋₁ + 1,
/// threshold aₜ / nₜ. The gradient is that of clipping.
/// </summary>
internal sealed class MovingAverageActivations(Rounding rounding) : ActivationQuantizer
{
    private const double Decay = 0.9;
    private double _sum;
    private double _weight;

    /// <inheritdoc/>
    public override double[] Seen
    {
        get => [_sum, _weight];
        set => (_sum, _weight) = (value[0], value[1]);
    }

    /// <inheritdoc/>
    public override float? Scale => _weight > 0 ? FakeQuantize.Int8Scale(_sum / _weight) : throw Unseen();

    /// <inheritdoc/>
    public override Tensor Apply(Tensor x)
    {
        if (is_grad_enabled() || _weight == 0)
        {
            var (min, max) = Range(x);
            _sum = Decay * _sum + Math.Max(max, -min);
            _weight = Decay * _weight + 1;
        }

        return Rounded(x, Scale!.Value, rounding);
    }
}
