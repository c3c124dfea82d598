using System.Globalization;
using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>Checks a declaration with the numbers of every published size: heads, rotary widths, absent layers, tensor-parallel degrees.</summary>
internal static class PresetChecks
{
    public static IEnumerable<Issue> Of(ClassSpec spec, IReadOnlyList<FlatBody> bodies)
    {
        if (spec.Config is not { } config || spec.Kind == ClassKind.Part) yield break;
        var partition = Partition.Of(bodies, spec.Kind);
        var layers = Flattening.Layers(spec).ToList();
        foreach (var preset in config.Presets)
        {
            foreach (var layer in layers)
            {
                foreach (var issue in Sizes(preset, layer)) yield return issue;
                foreach (var degree in preset.TensorParallel)
                    foreach (var issue in Degree(preset, degree, layer, partition.Of(layer.Path))) yield return issue;
            }
        }
    }

    private static IEnumerable<Issue> Sizes(PresetSpec preset, FlatLayer layer)
    {
        switch (layer.Spec)
        {
            case AttentionSpec attention:
                if (Number(preset, attention.Heads) is { } heads && Number(preset, attention.KvHeads) is { } kvHeads && kvHeads > 0 && heads % kvHeads != 0)
                    yield return Issue.At(Where(layer, 1), RuleId.KvHeads, preset.Name, Text(heads), Text(kvHeads), layer.Path);
                break;
            case RotarySpec rotary:
                var pairs = rotary.Positions == PositionChoice.SequenceAndBlock ? 4 : 2;
                if (Number(preset, rotary.Dim ?? rotary.HeadDim) is { } width && width % pairs != 0)
                    yield return Issue.At(Where(layer, 0), RuleId.OddHeadWidth, layer.Path, preset.Name, Text(width));
                break;
            case LinearSpec { When: { } when } linear when Flag(preset, when) == false:
                if (Number(preset, linear.Input) is { } input && Number(preset, linear.Output) is { } output && input != output)
                    yield return Issue.At(
                        Where(layer, 1), RuleId.WidthMismatch, $"{layer.Path}, absent in preset {preset.Name},", $"{linear.Output.Member} = {Text(output)}", $"{linear.Input.Member} = {Text(input)}");
                break;
        }
    }

    /// <summary>The attribute's argument; in a part, the layer that uses the part.</summary>
    private static string Where(FlatLayer layer, int argument) =>
        layer.IsInPart ? Anchors.Layer(layer.Path.Split('.')[0]) : Anchors.LayerArgument(layer.Path, argument);

    private static IEnumerable<Issue> Degree(PresetSpec preset, int degree, FlatLayer layer, Split split)
    {
        Issue? Indivisible(DimRef what, bool canRepeat = false) =>
            Number(preset, what) is { } number && number % degree != 0 && !(canRepeat && number > 0 && degree % number == 0)
                ? Issue.At(Anchors.Preset(preset.Name), RuleId.TensorParallelDegree, preset.Name, Text(degree), what.Member, Text(number), layer.Path)
                : null;

        var found = (layer.Spec, split.Kind) switch
        {
            (AttentionSpec attention, SplitKind.Column) => [Indivisible(attention.Heads), Indivisible(attention.KvHeads, canRepeat: true)],
            (LinearSpec linear, SplitKind.Column) when split.HeadWidth is null && split.Groups is null =>
                split.Sections.Count > 0 ? split.Sections.Select(s => Indivisible(s)).ToArray() : [Indivisible(linear.Output)],
            (LinearSpec linear, SplitKind.Column) when split.Groups is { } groups => [Indivisible(groups)],
            (LinearSpec linear, SplitKind.Vocabulary) => [Indivisible(linear.Output)],
            (EmbeddingSpec embedding, SplitKind.Vocabulary) => [Indivisible(embedding.Count)],
            _ => Array.Empty<Issue?>(),
        };
        return found.OfType<Issue>();
    }

    private static long? Number(PresetSpec preset, DimRef width) => preset.Value(width.Member) ?? width.Value.Evaluate(preset.Value);

    /// <summary>The value of a flag given as <c>c.IsProjected</c>.</summary>
    private static bool? Flag(PresetSpec preset, string condition)
    {
        var member = condition.Substring(condition.LastIndexOf('.') + 1);
        return preset.Value(member) is { } value ? value != 0 : null;
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
