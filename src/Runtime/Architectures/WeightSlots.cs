using Generated.Layers;

namespace Generated.Architectures;

/// <summary>The checkpoint tensors of each kind of layer.</summary>
internal static class WeightSlots
{
    public static IEnumerable<WeightSlot> Of(INorm norm, LayerNames names)
    {
        yield return Vector(norm.Weight, names, "weight");
        if (norm.Bias is { } bias)
            yield return Vector(bias, names, "bias");
    }

    public static IEnumerable<WeightSlot> Of(Embedding layer, LayerNames names)
    {
        var isDivided = layer.Rows.Length != layer.Count;
        yield return new WeightSlot(WeightKind.Stored, $"{names.HuggingFace}.weight", layer.Weight, [layer.Count, layer.Width])
        {
            Paddle = Whole(names, "weight", layer.Count, transposed: false),
            ShardAxis = isDivided ? 0 : -1,
            Ranges = isDivided ? [layer.Rows] : [],
        };
    }

    public static IEnumerable<WeightSlot> Of(PositionEmbedding layer, LayerNames names)
    {
        yield return new WeightSlot(WeightKind.Stored, $"{names.HuggingFace}.weight", layer.Weight, [layer.Count, layer.Width])
        {
            Paddle = Whole(names, "weight", layer.Count, transposed: false),
        };
    }

    public static IEnumerable<WeightSlot> Of(DenseLinear layer, LayerNames names)
    {
        var isTied = layer.TiedTo is not null;
        var byRow = layer.Shard.Kind == ShardKind.Row;
        var isDivided = layer.Group.Size > 1 && layer.Shard.Kind != ShardKind.None;
        var ranges = byRow ? layer.InputRanges : layer.OutputRanges;
        yield return new WeightSlot(isTied ? WeightKind.Tied : WeightKind.Stored, $"{names.HuggingFace}.weight", layer.Weight, [layer.OutWidth, layer.InWidth])
        {
            IsTransposed = names.Layout == WeightLayout.InOut,
            TiedTo = isTied ? names.TiedTo : null,
            Paddle = isTied && !names.PaddleKeepsTied ? [] : Paddle(names, "weight", layer.OutWidth, transposed: !names.PaddleKeepsTied),
            ShardAxis = !isDivided ? -1 : byRow ? 1 : 0,
            Ranges = isDivided ? ranges : [],
        };
        if (layer.Bias is not { } bias)
            yield break;
        yield return new WeightSlot(WeightKind.Stored, $"{names.HuggingFace}.bias", bias, [layer.OutWidth])
        {
            Paddle = Paddle(names, "bias", layer.OutWidth, transposed: false),
            ShardAxis = isDivided && !byRow ? 0 : -1,
            Ranges = isDivided && !byRow ? ranges : [],
        };
    }

    private static WeightSlot Vector(Parameter parameter, LayerNames names, string part) =>
        new(WeightKind.Stored, $"{names.HuggingFace}.{part}", parameter, parameter.Shape) { Paddle = Whole(names, part, parameter.Shape[0], transposed: false) };

    private static IReadOnlyList<PaddleTensor> Paddle(LayerNames names, string part, long rows, bool transposed)
    {
        if (names.PaddleSections.Count == 0)
            return Whole(names, part, rows, transposed);
        var tensors = new List<PaddleTensor>();
        var start = 0L;
        for (var i = 0; i < names.PaddleSections.Count; i++)
        {
            tensors.Add(new PaddleTensor($"{names.PaddleSections[i]}.{part}", transposed, start, names.PaddleSectionWidths[i]));
            start += names.PaddleSectionWidths[i];
        }

        return tensors;
    }

    private static IReadOnlyList<PaddleTensor> Whole(LayerNames names, string part, long rows, bool transposed) =>
        names.Paddle is not { } name ? [] : [new PaddleTensor(Full(name, part), transposed, 0, rows)];

    private static string Full(string name, string part) =>
        part == "weight" && name.EndsWith("weight", StringComparison.Ordinal) ? name : $"{name}.{part}";
}
