using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using Generated.Quant.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Qat;

/// <summary>
/// Weights with a learned scale per channel or group: ŵ = round(clip(w / s, −2^(b−1), 2^(b−1) − 1)) · s. The scale begins at
/// max(|μ − 3σ|, |μ + 3σ|) / 2^(b−1) (LSQ+, Bhalgat et al., 2020), and its gradient is divided by √(weights of the scale · largest
/// code) (LSQ, Esser et al., 2020).
/// </summary>
internal sealed class LsqPlusWeights : WeightQuantizer
{
    private const float Smallest = 1e-8f;
    private readonly WeightFormat _format;
    private readonly Rounding _rounding;
    private readonly int _groupSize;
    private readonly Tensor _scale;

    public LsqPlusWeights(Tensor weight, WeightFormat format, Rounding rounding)
    {
        if (!format.Symmetric || format.Per == Granularity.Tensor)
            throw new InvalidInputException("LSQ+ learns symmetric weights with a scale per channel or group; choose such a format or ChannelAbsMax weights.");
        (_format, _rounding) = (format, rounding);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        _groupSize = WeightGrid.GroupSize(format, (int)weight.shape[1]);
        var wide = weight.detach().to_type(ScalarType.Float32);
        var groups = Grouped(wide);
        var count = Grouped(ones_like(wide)).sum(2);
        var mean = groups.sum(2) / count;
        var deviation = ((groups.Squared().sum(2) / count) - mean.Squared()).clamp_min(0).sqrt();
        var reach = maximum((mean - 3 * deviation).abs(), (mean + 3 * deviation).abs());
        var start = reach / -LowestCode;
        _scale = where(start > Smallest, start, ones_like(start)).DetachFromDisposeScope();
        _scale.requires_grad = true;
    }

    /// <inheritdoc/>
    public override IEnumerable<KeyValuePair<string, Tensor>> Learned => [new("weight_scale", _scale)];

    private int LowestCode => -(1 << (_format.Bits - 1));

    private int HighestCode => (1 << (_format.Bits - 1)) - 1;

    /// <inheritdoc/>
    public override Tensor Apply(Tensor weight)
    {
        var wide = weight.to_type(ScalarType.Float32);
        var scale = StraightThrough.ScaledGradient(Positive(), 1 / Math.Sqrt((double)_groupSize * HighestCode)).unsqueeze(2);
        var places = (Grouped(wide) / scale).clamp(LowestCode, HighestCode);
        var codes = StraightThrough.Value(places, Rounder.Round(places, _rounding));
        return (codes * scale).reshape(wide.shape[0], -1).narrow(1, 0, wide.shape[1]);
    }

    /// <inheritdoc/>
    public override QuantizedWeight ToIntegers(Tensor weight)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var wide = RoundToNearest.Checked(weight.detach()).to_type(ScalarType.Float32);
        var scale = Positive();
        var codes = Rounder.Round((Grouped(wide) / scale.unsqueeze(2)).clamp(LowestCode, HighestCode), _rounding) - LowestCode;
        var flat = codes.reshape(wide.shape[0], -1).narrow(1, 0, wide.shape[1]);
        return new QuantizedWeight(
            (int)wide.shape[0], (int)wide.shape[1], _format.Bits, _groupSize, flat.to_type(ScalarType.Byte).cpu().contiguous().data<byte>().ToArray(),
            scale.cpu().contiguous().data<float>().ToArray());
    }

    /// <inheritdoc/>
    public override void Dispose() => _scale.Dispose();

    /// <summary>A step of the optimizer may carry a scale across zero; its sign means nothing.</summary>
    private Tensor Positive() => _scale.abs().clamp_min(Smallest);

    private Tensor Grouped(Tensor values)
    {
        var (rows, width) = (values.shape[0], values.shape[1]);
        var groups = (width + _groupSize - 1) / _groupSize;
        var padding = groups * _groupSize - width;
        return (padding == 0 ? values : nn.functional.pad(values, [0, padding])).reshape(rows, groups, _groupSize);
    }
}
