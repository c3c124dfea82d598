using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>Rounds tensors to integers.</summary>
internal static class Rounder
{
    /// <summary>The nearest integers; the caller's.</summary>
    public static Tensor Round(Tensor values, Rounding rounding)
    {
        if (rounding == Rounding.ToEven)
            return values.round();
        using var scope = NewDisposeScope();
        var whole = values.trunc();
        // Exact in every case; adding a half first would move 0.49999997 up to 1.
        return whole.add(values.sub(whole).mul(2).trunc()).MoveToOuterDisposeScope();
    }
}
