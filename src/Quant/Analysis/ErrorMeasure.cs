using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Analysis;

/// <summary>How far values are from what they should be, accumulated over batches in float64.</summary>
internal sealed class ErrorMeasure
{
    /// <summary>In float64 and with all that is computed of them, values take ten times the memory that they take themselves.</summary>
    private const long ValuesAtOnce = 1 << 18;

    private double _error;
    private double _signal;
    private double _other;
    private double _product;
    private double _largest;

    /// <summary>Values compared.</summary>
    public long Count { get; private set; }

    /// <summary>Mean squared error.</summary>
    public double Mse => Count > 0 ? _error / Count : 0;

    /// <summary>Largest absolute error.</summary>
    public double MaxAbs => _largest;

    /// <summary>Signal-to-noise ratio, 10·log₁₀(Σ reference² / Σ error²), in decibels; infinite without error.</summary>
    public double SnrDecibels => _error == 0 ? double.PositiveInfinity : 10 * Math.Log10(_signal / _error);

    /// <summary>Cosine of the angle between reference and actual values; 1 where both are zero, 0 where one is.</summary>
    public double Cosine => _signal == 0 && _other == 0 ? 1 : _signal == 0 || _other == 0 ? 0 : _product / (Math.Sqrt(_signal) * Math.Sqrt(_other));

    /// <summary>Squared error relative to the reference's square; NaN without a reference.</summary>
    public double Relative => _error / _signal;

    /// <summary>Compares values of equal shape.</summary>
    public ErrorMeasure Add(Tensor reference, Tensor actual)
    {
        ArgumentNullException.ThrowIfNull(reference);
        ArgumentNullException.ThrowIfNull(actual);
        if (!reference.shape.SequenceEqual(actual.shape))
            throw new ArgumentException($"[{string.Join(", ", actual.shape)}] cannot be compared with [{string.Join(", ", reference.shape)}].", nameof(actual));
        if (reference.numel() == 0)
            return this;
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var (expected, found) = (reference.reshape(-1), actual.reshape(-1));
        for (var start = 0L; start < expected.shape[0]; start += ValuesAtOnce)
            AddPart(expected.narrow(0, start, Math.Min(ValuesAtOnce, expected.shape[0] - start)), found.narrow(0, start, Math.Min(ValuesAtOnce, expected.shape[0] - start)));
        Count += reference.numel();
        return this;
    }

    private void AddPart(Tensor reference, Tensor actual)
    {
        using var scope = NewDisposeScope();
        var (expected, found) = (reference.to_type(ScalarType.Float64), actual.to_type(ScalarType.Float64));
        var difference = found - expected;
        _error += difference.Squared().sum().item<double>();
        _signal += expected.Squared().sum().item<double>();
        _other += found.Squared().sum().item<double>();
        _product += expected.mul(found).sum().item<double>();
        _largest = Math.Max(_largest, difference.abs().max().item<double>());
    }
}
