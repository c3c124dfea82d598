using System.Globalization;
using System.Text;
using System.Text.Json;
using Generated;
using Generated.Architectures;
using Generated.Configuration;

namespace Docs.Tests.Pages;

/// <summary>What the code says of a family: its sizes, what was derived from its declaration, its tensors.</summary>
internal static class FamilySections
{
    /// <summary>Every preset with the keys of config.json in which the sizes differ.</summary>
    public static string Presets(Family family)
    {
        var presets = family.Architecture.Presets.Select(preset => (Preset: preset, Keys: Keys(family.Architecture, preset.Config()))).ToList();
        var keys = presets.SelectMany(p => p.Keys.Keys).Distinct().Where(key => presets.Select(p => p.Keys.GetValueOrDefault(key, "")).Distinct().Count() > 1).ToList();
        var text = new StringBuilder();
        Row(text, ["preset", "parameters", .. keys.Select(Code), "ranks"]);
        Row(text, [.. Enumerable.Repeat("---", keys.Count + 3)]);
        foreach (var (preset, values) in presets)
            Row(text, [Code(preset.Name), Parameters(family.Architecture, preset.Config()), .. keys.Select(key => values.GetValueOrDefault(key, "")), string.Join(", ", preset.TensorParallel.Prepend(1))]);
        return text.ToString();
    }

    /// <summary>Norms, linears and exchanges of the published wiring, and where the switched ones differ.</summary>
    public static string Structure(Family family)
    {
        var text = new StringBuilder();
        var published = Parts(family.Architecture.StructureOf(family.Wirings[0].Config));
        foreach (var part in published) text.Append(part).Append('\n');
        foreach (var (title, config) in family.Wirings.Skip(1))
        {
            text.Append($"With {title}, ");
            var changed = Parts(family.Architecture.StructureOf(config)).Where((part, i) => part != published[i]).ToList();
            text.Append(changed.Count == 0 ? "nothing of this changes.\n\n" : "instead:\n\n");
            foreach (var part in changed) text.Append(part).Append('\n');
        }

        return text.ToString();
    }

    /// <summary>Every tensor: Hugging Face's name, Paddle's, and what has to be done between them.</summary>
    public static string Tensors(Family family)
    {
        var rows = new List<(string Name, string Shape, string Paddle, string Operation, string Ranks, List<string> Wirings)>();
        foreach (var (title, config) in family.Wirings)
        {
            var ranks = Ranks(family.Architecture, config);
            foreach (var tensor in family.Architecture.TensorsOf(config))
            {
                if (Template(tensor.Name) is not { } name) continue;
                var row = (Name: tensor.TiedTo is null ? Code(name) : $"{Code(name)} (is {Code(tensor.TiedTo)})", Shape: Shape(tensor), Paddle: Paddle(tensor), Operation: Operation(tensor), Ranks: ranks(tensor, name));
                // Sizes may differ between wirings; what is done with a tensor may not.
                if (rows.FirstOrDefault(r => (r.Name, r.Paddle, r.Operation, r.Ranks) == (row.Name, row.Paddle, row.Operation, row.Ranks)) is { Name: not null } known) known.Wirings.Add(title);
                else rows.Add((row.Name, row.Shape, row.Paddle, row.Operation, row.Ranks, [title]));
            }
        }

        var text = new StringBuilder();
        Row(text, ["Hugging Face", $"shape in {family.Wirings[0].Title}", "Paddle", "on the way", "on Paddle's ranks", "where"]);
        Row(text, ["---", "---", "---", "---", "---", "---"]);
        foreach (var row in rows)
            Row(text, [row.Name, row.Shape, row.Paddle, row.Operation, row.Ranks, row.Wirings.Count == family.Wirings.Count ? "" : string.Join("; ", row.Wirings)]);
        return text.ToString();
    }

    private static string[] Parts(ModelStructure structure) => [Norms(structure), Linears(structure), Moves(structure) + Exchanges(structure)];

    private static string Norms(ModelStructure structure)
    {
        var text = new StringBuilder();
        Row(text, ["norm", "linears behind it", "its scale"]);
        Row(text, ["---", "---", "---"]);
        foreach (var group in structure.NormGroups)
            Row(text, [Code(group.Norm), Codes(group.Linears), group.IsFoldable ? "folds into them" : $"stays: {group.Reason}{(group.IsShortcut ? " (post-norm shortcut)" : "")}"]);
        return text.ToString();
    }

    private static string Linears(ModelStructure structure)
    {
        var text = new StringBuilder();
        Row(text, ["linear", "width", "bias", "divided over ranks by", "shares its input with"]);
        Row(text, ["---", "---", "---", "---", "---"]);
        foreach (var linear in structure.Linears)
            Row(text,
            [
                Code(linear.Path), $"{linear.InputWords} → {linear.OutputWords}", linear.HasBias ? "yes" : "",
                linear.Partition switch
                {
                    TensorPartition.Column => "output",
                    TensorPartition.Row => "input",
                    TensorPartition.Vocabulary => "vocabulary",
                    _ => "(each has all of it)",
                },
                linear.Site == linear.Path ? "" : Code(linear.Site),
            ]);
        return text.ToString();
    }

    private static string Moves(ModelStructure structure)
    {
        var text = new StringBuilder();
        foreach (var fused in structure.FusedGroups)
            text.Append($"- One product in inference: {Codes(fused.Linears)}.\n");
        foreach (var pair in structure.ScalePairs)
            text.Append($"- A scale per channel moves from {(pair.Section is null ? "" : $"section {pair.Section.Index + 1} of ")}{Code(pair.Source)} to {Codes(pair.Targets)}, through {(pair.Kind == ScalePairKind.Value ? "attention" : "the MLP")}.\n");
        return text.ToString();
    }

    private static string Exchanges(ModelStructure structure) => $"- Ranks exchange {string.Join(", ", structure.Exchanges.Select(e => $"{(e.Kind == ExchangeKind.Sum ? "a sum" : "parts")} after {Code(e.Path)}"))}.\n";

    private static Dictionary<string, string> Keys(ArchitectureInfo architecture, object config)
    {
        var writer = new ConfigWriter();
        architecture.WriteConfig(config, writer);
        using var json = JsonDocument.Parse(writer.ToJson());
        return json.RootElement.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.ValueKind == JsonValueKind.Object
            ? string.Join(" ", p.Value.EnumerateObject().Select(inner => inner.Value.ToString()))
            : p.Value.ToString().ToLowerInvariant());
    }

    private static string Parameters(ArchitectureInfo architecture, object config) =>
        architecture.TensorsOf(config).Where(t => t.TiedTo is null).Sum(t => t.Shape.Aggregate(1L, (a, b) => a * b)).ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A name of block 0 with <c>{i}</c>; null for those of other blocks.</summary>
    private static string? Template(string name)
    {
        var parts = name.Split('.');
        var index = Array.FindIndex(parts, p => p.All(char.IsAsciiDigit));
        if (index < 0) return name;
        if (parts[index] != "0") return null;
        parts[index] = "{i}";
        return string.Join('.', parts);
    }

    private static string Shape(TensorSpec tensor) => $"[{string.Join(", ", tensor.StoredInOut ? tensor.Shape.Reverse() : tensor.Shape)}]";

    private static string Paddle(TensorSpec tensor) =>
        tensor.PaddleSections.Count > 0 ? Codes(tensor.PaddleSections.Select(name => Template(name)!)) : tensor.Paddle is { } name ? Code(Template(name)!) : tensor.PaddleTiedTo is { } owner ? $"(is {Code(owner)})" : "(none)";

    /// <summary>How the shards of PaddleNLP's tensor-parallel ranks hold a tensor.</summary>
    private static Func<TensorSpec, string, string> Ranks(ArchitectureInfo architecture, object config)
    {
        var structure = architecture.StructureOf(config);
        var linears = structure.Linears.ToDictionary(linear => linear.Name);
        var summed = structure.Exchanges.Where(exchange => exchange.Kind == ExchangeKind.Sum).Select(exchange => exchange.Path).ToHashSet();
        return (tensor, name) =>
        {
            if (tensor.Paddle is null && tensor.PaddleSections.Count == 0) return "";
            switch (tensor.PaddleSplit)
            {
                case PaddleSplit.Whole: return "";
                case PaddleSplit.Column: return "cut by output";
                case PaddleSplit.HeadByHead: return "cut by output, q·k·v head by head";
            }

            if (!linears.TryGetValue(name[..name.LastIndexOf('.')], out var linear)) return summed.Contains($"{architecture.Name}.{tensor.Layer}") ? "cut by vocabulary" : "";
            return linear.Partition switch
            {
                TensorPartition.Column => tensor.Sections is { Groups: <= 1 } && tensor.PaddleSections.Count == 0 ? "cut by output, section by section" : "cut by output",
                TensorPartition.Row when tensor.Kind == TensorKind.Weight => "cut by input",
                TensorPartition.Vocabulary => "cut by vocabulary",
                _ => "",
            };
        };
    }

    private static string Operation(TensorSpec tensor)
    {
        if (tensor.Paddle is null && tensor.PaddleSections.Count == 0) return "";
        var isTransposed = tensor.Kind == TensorKind.Weight && (tensor.PaddleLayout == PaddleLayout.Transposed) != tensor.StoredInOut;
        return string.Join(", ", new[] { isTransposed ? "transposed" : "", tensor.PaddleSections.Count > 0 ? $"cut into {tensor.PaddleSections.Count}" : "" }.Where(o => o.Length > 0));
    }

    private static string Code(string text) => $"`{text}`";

    private static string Codes(IEnumerable<string> texts) => string.Join(", ", texts.Select(Code));

    private static void Row(StringBuilder text, IReadOnlyList<string> cells) => text.Append($"| {string.Join(" | ", cells)} |\n");
}
