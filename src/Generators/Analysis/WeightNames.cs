using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>Lists every tensor of a class's checkpoint under its Hugging Face and Paddle names.</summary>
internal static class WeightNames
{
    public static EquatableArray<TensorPlan> Of(ClassSpec spec, IReadOnlyList<FlatBody> bodies)
    {
        var layers = Flattening.Layers(spec).ToList();
        return layers.SelectMany(l => Tensors(spec, l, layers, bodies)).ToEquatableArray();
    }

    private static IEnumerable<TensorPlan> Tensors(ClassSpec spec, FlatLayer layer, List<FlatLayer> all, IReadOnlyList<FlatBody> bodies)
    {
        switch (layer.Spec)
        {
            case LinearSpec linear:
                var cut = Cut(layer.Path, bodies);
                var target = linear.TiedTo is null ? null : all.FirstOrDefault(l => l.Path == linear.TiedTo);
                yield return Tensor(spec, layer, TensorKind.Weight, [linear.Output, linear.Input]) with
                {
                    // A matrix that Paddle keeps beside the embedding lies as the embedding does.
                    PaddleTransposes = !linear.PaddleKeepsTied,
                    PaddleSections = Sections(spec, linear, "weight"),
                    Sections = cut,
                    StoredInOut = linear.StoredInOut,
                    TiedTo = target is null ? null : $"{Name(spec, target.Spec)}.weight",
                    TiedWhen = linear.TiedWhen,
                    PaddleKeepsTied = linear.PaddleKeepsTied,
                    PaddleTies = linear.PaddleTies,
                    KeepsTied = linear.KeepsTied,
                    PaddleSplit = linear.PaddleSplit,
                };
                if (!linear.Bias && linear.BiasWhen is null) break;
                var bias = Tensor(spec, layer, TensorKind.Bias, [linear.Output]);
                yield return bias with
                {
                    PaddleSections = Sections(spec, linear, "bias"),
                    PaddleSplit = linear.PaddleSplit,
                    Sections = cut,
                    Conditions = (linear.BiasWhen is { } when ? bias.Conditions.Append(when) : bias.Conditions).ToEquatableArray(),
                };
                break;
            case NormSpec norm:
                yield return Tensor(spec, layer, TensorKind.Weight, [norm.Width]);
                if (norm.Bias) yield return Tensor(spec, layer, TensorKind.Bias, [norm.Width]);
                break;
            case EmbeddingSpec embedding:
                yield return Tensor(spec, layer, TensorKind.Weight, [embedding.Count, embedding.Width]);
                break;
            case PositionEmbeddingSpec positions:
                yield return Tensor(spec, layer, TensorKind.Weight, [positions.Count, positions.Width]);
                break;
        }
    }

    private static TensorPlan Tensor(ClassSpec spec, FlatLayer layer, TensorKind kind, IEnumerable<DimRef> shape)
    {
        var suffix = kind == TensorKind.Weight ? "weight" : "bias";
        var conditions = layer.Spec.When is { } when ? EquatableArray.Of(when) : EquatableArray<string>.Empty;
        return new TensorPlan(layer.Path, layer.Access, kind, $"{Name(spec, layer.Spec)}.{suffix}", shape.ToEquatableArray(), conditions, conditions.Count > 0)
        {
            Paddle = Paddle(spec, layer.Spec, suffix),
        };
    }

    /// <summary>Hugging Face name of a layer, without <c>.weight</c>.</summary>
    public static string Name(ClassSpec spec, LayerSpec layer) => LayerRewriting.Join(spec.Prefix, layer.Name);

    /// <summary>Paddle's name of a layer, without <c>.weight</c>; null where there is none, or one per section.</summary>
    public static string? Paddle(ClassSpec spec, LayerSpec layer) =>
        layer is LinearSpec { PaddleSections.Count: > 0 } || (spec.Kind == ClassKind.Block && spec.PaddlePrefix is null)
            ? null
            : LayerRewriting.Join(spec.PaddlePrefix ?? "", layer.Paddle ?? layer.Name);

    private static string? Paddle(ClassSpec spec, LayerSpec layer, string suffix) => Paddle(spec, layer) is not { } name ? null
        : name.EndsWith("_" + suffix, StringComparison.Ordinal) ? name // lm_head.decoder_weight is a whole name
        : $"{name}.{suffix}";

    private static EquatableArray<string> Sections(ClassSpec spec, LinearSpec linear, string suffix) => linear.PaddleSections
        .Select(s => $"{LayerRewriting.Join(spec.PaddlePrefix ?? "", s)}.{suffix}")
        .ToEquatableArray();

    /// <summary>The sections layer that cuts a linear's output.</summary>
    public static SectionsSpec? Cut(string path, IEnumerable<FlatBody> bodies)
    {
        foreach (var body in bodies)
            foreach (var node in body.Nodes)
                if (node.Layer?.Spec is SectionsSpec sections && Analysis.Sections.Origin(body, node.Inputs[0])?.Layer!.Path == path) return sections;
        return null;
    }
}
