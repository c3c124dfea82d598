using Generated.Layers;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>
/// Scales of channels that move from a value into the weights behind it: x' = x / s, W' = W · s (SmoothQuant, Xiao et al., 2023),
/// one vector for all linears that read the value.
/// </summary>
internal static class Smoothing
{
    private const float Smallest = 1e-5f;

    /// <summary>The scales, all above zero.</summary>
    /// <param name="problem">The value and its linears.</param>
    /// <param name="options">α and the search.</param>
    /// <param name="rounding">How values between two codes are rounded.</param>
    /// <exception cref="InvalidInputException">A value is NaN or infinite.</exception>
    public static float[] Scales(SiteProblem problem, SmoothOptions options, Rounding rounding)
    {
        ArgumentNullException.ThrowIfNull(problem);
        ArgumentNullException.ThrowIfNull(options);
        var absMax = problem.Checked().Statistics.AbsMax;
        var weightMax = JointAbsMax(problem.Weights);
        var plain = Plain(absMax, weightMax, options.Alpha);
        return options.Search switch
        {
            SmoothSearch.None => plain,
            SmoothSearch.Alpha => new SmoothingSearch(problem, options, rounding, absMax, weightMax).Run(pieces: 1, factors: false),
            _ => new SmoothingSearch(problem, options, rounding, absMax, weightMax).Run(options.Pieces, factors: true),
        };
    }

    /// <summary>s = max|x|^α / max|w|^(1−α); 1 for a channel that is always zero on either side, about which nothing is known.</summary>
    internal static float[] Plain(float[] absMax, float[] weightMax, double alpha) =>
        [.. absMax.Select((x, c) => Plain(x, weightMax[c], alpha))];

    internal static float Plain(float x, float weight, double alpha) =>
        x > 0 && weight > 0 ? (float)Math.Clamp(Math.Pow(x, alpha) / Math.Pow(weight, 1 - alpha), Smallest, 1 / Smallest) : 1;

    /// <summary>The largest magnitude of each input column over all linears.</summary>
    internal static float[] JointAbsMax(IReadOnlyList<IWeightRows> weights)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        // Extremes, and not magnitudes, of which there would be as many as weights.
        var parts = weights.SelectMany(w => w.Ranges().Select(range =>
        {
            using var inner = NewDisposeScope();
            var rows = w.Rows(range.Start, range.Count);
            return maximum(rows.amax([0]), rows.amin([0]).neg()).MoveToOuterDisposeScope();
        }));
        var joint = parts.Aggregate((a, b) => maximum(a, b));
        return joint.to_type(ScalarType.Float32).cpu().data<float>().ToArray();
    }
}
