using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Verification;

/// <summary>How a computed value compares with a recorded one.</summary>
/// <param name="Name">Name in the golden file.</param>
/// <param name="MaxAbsolute">Largest |a − b|; NaN where a value is NaN or the shapes differ.</param>
/// <param name="MaxRelative">Largest |a − b| / |b| where |b| exceeds the absolute tolerance.</param>
/// <param name="IsOk">Whether |a − b| ≤ atol + rtol · |b| everywhere.</param>
public sealed record Comparison(string Name, double MaxAbsolute, double MaxRelative, bool IsOk)
{
    /// <summary>What is wrong beyond the numbers, or null.</summary>
    public string? Note { get; init; }
}

/// <summary>Comparison of tensors within tolerances.</summary>
internal static class TensorComparison
{
    /// <summary>Compares floating-point values in float64.</summary>
    /// <param name="name">Name in the golden file.</param>
    /// <param name="actual">Computed values, any shape.</param>
    /// <param name="expected">Recorded values of the same shape.</param>
    /// <param name="absolute">atol.</param>
    /// <param name="relative">rtol.</param>
    public static Comparison Compare(string name, Tensor actual, Tensor expected, double absolute, double relative)
    {
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        if (!actual.shape.AsSpan().SequenceEqual(expected.shape))
        {
            return new Comparison(name, double.NaN, double.NaN, false)
            {
                Note = $"the model gives shape [{string.Join(", ", actual.shape)}], the golden file has [{string.Join(", ", expected.shape)}]",
            };
        }

        if (actual.numel() == 0)
            return new Comparison(name, 0, 0, true);
        var a = actual.detach().cpu().to_type(ScalarType.Float64);
        var b = expected.cpu().to_type(ScalarType.Float64);
        // Equal infinities (masked logits) are equal; their difference is NaN.
        var difference = (a - b).abs().masked_fill(a == b, 0);
        var size = b.abs();
        var isOk = (difference.isfinite() & (difference <= size * relative + absolute)).all().item<bool>();
        var ratios = (difference / size).masked_fill(size <= absolute, 0);
        return new Comparison(name, difference.max().item<double>(), ratios.max().item<double>(), isOk);
    }

    /// <summary>Compares token ids, which have to be equal.</summary>
    public static Comparison CompareTokens(string name, long[] actual, long[] expected)
    {
        var wrong = Enumerable.Range(0, Math.Max(actual.Length, expected.Length))
            .Where(i => i >= actual.Length || i >= expected.Length || actual[i] != expected[i]).ToArray();
        return wrong.Length == 0
            ? new Comparison(name, 0, 0, true)
            : new Comparison(name, double.NaN, double.NaN, false) { Note = $"{wrong.Length} of {expected.Length} tokens differ, the first at index {wrong[0]}" };
    }
}
