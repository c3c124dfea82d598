using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Calibration;

/// <summary>Refuses values that no scale can describe.</summary>
internal static class Finite
{
    /// <summary>Requires that no value is NaN or infinite.</summary>
    /// <param name="values">[rows, columns].</param>
    /// <param name="what">What the values are, as the subject of a sentence in the plural: "The weights of q_proj".</param>
    /// <exception cref="InvalidInputException">One is.</exception>
    public static void Require(Tensor values, string what)
    {
        if (Holds(values))
            return;
        using var scope = NewDisposeScope();
        var finite = values.isfinite();
        var place = finite.logical_not().nonzero()[0].cpu().data<long>().ToArray();
        var value = values[place[0], place[1]].to_type(ScalarType.Float64).item<double>();
        var count = finite.logical_not().sum().item<long>();
        throw Refuse(what, value, FormattableString.Invariant($"row {place[0]}, column {place[1]}, and {count - 1} more"));
    }

    /// <summary>Whether no value is NaN or infinite, found without memory for as many answers: both extremes of a tensor that holds NaN are NaN.</summary>
    public static bool Holds(Tensor values)
    {
        if (values.numel() == 0)
            return true;
        using var scope = NewDisposeScope();
        return double.IsFinite(values.max().to_type(ScalarType.Float64).item<double>()) && double.IsFinite(values.min().to_type(ScalarType.Float64).item<double>());
    }

    /// <summary>The exception for a value at a place.</summary>
    public static InvalidInputException Refuse(string what, double value, string place) =>
        new(FormattableString.Invariant($"{what} hold {(double.IsNaN(value) ? "NaN" : "infinity")} ({place}); check the checkpoint and the dtype it runs in: float32 has the range that float16 lacks."));
}
