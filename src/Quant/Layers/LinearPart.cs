using Generated.Layers;
using Generated.Quant.Kernels;
using Generated.Quant.Recipes;
using Generated.Quant.Weights;

namespace Generated.Quant.Layers;

/// <summary>One rank's part of a quantized linear, its weight packed.</summary>
internal sealed record LinearPart
{
    /// <summary>The weight, [out, in] of the rank; the layer made of this disposes of it.</summary>
    public required PackedMatrix Matrix { get; init; }

    /// <summary>[out] of the rank; null for none.</summary>
    public float[]? Bias { get; init; }

    /// <summary>[in] of the rank; null for none.</summary>
    public InputTransform? Input { get; init; }

    /// <summary>Format of the input; null for weight-only.</summary>
    public ActivationFormat? Activations { get; init; }

    /// <summary>The static input scale.</summary>
    public float? InputScale { get; init; }

    /// <summary>Cuts out a rank's part and packs it.</summary>
    /// <exception cref="InvalidInputException">Sizes do not fit the layer, or a group would be divided.</exception>
    public static LinearPart Of(Linear place, LinearState whole)
    {
        var weight = whole.Weight;
        if (weight.OutWidth != place.OutWidth || weight.InWidth != place.InWidth)
            throw new InvalidInputException($"its weight is {weight.OutWidth} × {weight.InWidth}, but the model has {place.OutWidth} × {place.InWidth} there");
        Check("bias", whole.Bias, place.OutWidth);
        Check("input shift", whole.Input?.Shift, place.InWidth);
        Check("input divisor", whole.Input?.Divisor, place.InWidth);
        return new LinearPart
        {
            Matrix = Pack(LinearShare.Weight(weight, place.OutputRanges, place.InputRanges)),
            Bias = LinearShare.Vector(whole.Bias, place.OutputRanges),
            Input = Cut(whole.Input, place),
            Activations = whole.Activations,
            InputScale = whole.InputScale,
        };
    }

    /// <summary>A rank's part of an input transform.</summary>
    public static InputTransform? Cut(InputTransform? whole, Linear place) => whole is null
        ? null
        : new InputTransform(LinearShare.Vector(whole.Shift, place.InputRanges), LinearShare.Vector(whole.Divisor, place.InputRanges));

    /// <summary>Packs integer codes; 8-bit ones are stored signed.</summary>
    public static PackedMatrix Pack(QuantizedWeight weight)
    {
        // One group needs no order: all columns share the scale.
        var isGrouped = weight.Groups > 1;
        var (groupSize, groupIndex) = isGrouped ? (weight.GroupSize, weight.GroupIndex) : (0, null);
        if (weight.Bits == 4)
            return new PackedInt4Matrix(weight.OutWidth, weight.InWidth, weight.Codes, weight.Scales, groupSize, weight.Zeros, groupIndex);
        var zeros = weight.Zeros is null ? null : Array.ConvertAll(weight.Zeros, zero => (short)(zero - 128));
        return PackedInt8Matrix.OfUnsigned(weight.OutWidth, weight.InWidth, weight.Codes, weight.Scales, groupSize, zeros, groupIndex);
    }

    private static void Check(string name, float[]? values, int width)
    {
        if (values is not null && values.Length != width)
            throw new InvalidInputException($"its {name} has {values.Length} values; it needs {width}");
    }
}
