using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>A weight, [out, in], whose rows are had some at a time: that of a head may be larger than all else in memory.</summary>
internal interface IWeightRows
{
    /// <summary>Rows.</summary>
    int OutWidth { get; }

    /// <summary>Columns.</summary>
    int InWidth { get; }

    /// <summary>Some rows, [count, in]; the caller's to dispose of and not to write into.</summary>
    Tensor Rows(long start, long count);
}

/// <summary>A linear that stays the same function while factors move between its weight and what is around it.</summary>
internal interface IMatrixLinear : IWeightRows
{
    /// <summary>[out], or null.</summary>
    Parameter? Bias { get; }

    /// <summary>Whether rows are divided by their L2 norm before use; <see cref="IWeightRows.Rows"/> gives them as they are stored.</summary>
    bool HasUnitRows { get; }

    /// <summary>Whether the weight is the embedding's.</summary>
    bool IsTied { get; }

    /// <summary>Gives it a bias of zeros if it has none.</summary>
    void EnsureBias();

    /// <summary>Divides rows by their L2 norm for good, where that is done before every use.</summary>
    void FixUnitRows();

    /// <summary>Multiplies each column by a factor.</summary>
    /// <param name="scale">[in]; the caller's.</param>
    void ScaleColumns(Tensor scale);
}

/// <summary>Going through a weight by rows.</summary>
internal static class WeightRows
{
    /// <summary>Weights at a time where products or their errors are computed: 8 MB of float32.</summary>
    public const long AtOnce = 1 << 21;

    /// <summary>Ranges of rows that together are all rows.</summary>
    /// <param name="weight">The weight.</param>
    /// <param name="weightsAtOnce">Most elements of a range; one row at least.</param>
    public static IEnumerable<(int Start, int Count)> Ranges(this IWeightRows weight, long weightsAtOnce = AtOnce)
    {
        var most = (int)Math.Clamp(weightsAtOnce / weight.InWidth, 1, weight.OutWidth);
        for (var start = 0; start < weight.OutWidth; start += most)
            yield return (start, Math.Min(most, weight.OutWidth - start));
    }
}
