using System.Globalization;
using Generated.Architectures;
using Spectre.Console;

namespace Generated.Cli.Inspection;

/// <summary>Writes what is known of a model for a person to read.</summary>
internal static class FactsTables
{
    /// <summary>Bytes per weight of each type in the memory table.</summary>
    public static readonly (string Name, double Bytes)[] Types = [("float32", 4), ("bfloat16", 2), ("int8", 1), ("int4", 0.5)];

    /// <summary>Name, sizes, memory.</summary>
    public static void WriteSummary(Terminal terminal, ModelFacts facts)
    {
        terminal.Console.MarkupLineInterpolated($"[bold]{facts.Architecture.Name}[/] ({facts.Name})");
        var output = terminal.Output;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{facts.Parameters:N0} parameters in {facts.Tensors.Count} tensors, {facts.Blocks} blocks"));
        output.WriteLine("weights: " + string.Join(", ", Types.Select(t => $"{t.Name} {Terminal.Bytes(facts.Parameters * t.Bytes)}")));
        output.WriteLine($"KV cache per token: float32 {Terminal.Bytes(facts.CacheValuesPerToken * 4)}, bfloat16 {Terminal.Bytes(facts.CacheValuesPerToken * 2)}");
        if (facts.Weights is { } weights)
            output.WriteLine("checkpoint: " + weights);
        if (facts.UnknownKeys.Count > 0)
            output.WriteLine("config keys not used: " + string.Join(", ", facts.UnknownKeys));
    }

    /// <summary>What the compiler derived from the declaration.</summary>
    public static void WriteStructure(Terminal terminal, ModelStructure structure)
    {
        foreach (var group in structure.NormGroups)
        {
            var readers = group.Linears.Count > 0 ? string.Join(", ", group.Linears) : "no linear";
            var verdict = group.IsFoldable ? "a scale folds into them" : $"not foldable ({group.Reason}{(group.IsShortcut ? ": a post-norm shortcut" : "")})";
            terminal.Output.WriteLine($"norm {group.Norm} → {readers}: {verdict}");
        }

        var linears = Table("linear (adapter site)", "shape", "input shared with", "tensor parallel");
        foreach (var linear in structure.Linears)
            Row(linears, linear.Path, FormattableString.Invariant($"{linear.Input} → {linear.Output}{(linear.HasBias ? " + bias" : "")}{(linear.TiedTo is null ? "" : ", tied")}"), linear.Site == linear.Path ? "" : linear.Site, linear.Partition.ToString().ToLowerInvariant());
        terminal.Console.Write(linears);

        foreach (var pair in structure.ScalePairs)
        {
            var section = pair.Section is { } cut ? $"section {cut.Index + 1} of {cut.Widths.Count} of " : "";
            terminal.Output.WriteLine($"scale moves: {section}{pair.Source} → {string.Join(", ", pair.Targets)} (through {(pair.Kind == ScalePairKind.Value ? "attention" : "the MLP")})");
        }

        foreach (var fused in structure.FusedGroups)
            terminal.Output.WriteLine($"one product: {string.Join(" + ", fused.Linears)}");
        terminal.Output.WriteLine($"exchanges between ranks: {string.Join(", ", structure.Exchanges.Select(e => $"{e.Kind.ToString().ToLowerInvariant()} after {e.Path}"))}");
        terminal.Output.WriteLine(structure.SequenceObstacle is { } obstacle
            ? $"norms and residuals cannot be divided by positions: {obstacle}"
            : $"norms and residuals divided by positions: {string.Join(", ", structure.SequenceExchanges.Select(e => $"{Words(e.Kind)} {e.Path}"))}");
    }

    /// <summary>What ranks do at a layer when positions are divided.</summary>
    public static string Words(SequenceExchangeKind kind) => kind switch
    {
        SequenceExchangeKind.GatherBefore => "gather before",
        SequenceExchangeKind.ReduceScatterAfter => "reduce-scatter after",
        SequenceExchangeKind.ScatterAfter => "scatter after",
        _ => "gather around",
    };

    /// <summary>What a rank holds.</summary>
    public static void WriteSplits(Terminal terminal, IReadOnlyList<RankShapes.Part> parts, long parameters, int ranks)
    {
        var table = Table($"weight on one of {ranks} ranks", "whole", "part");
        foreach (var part in parts)
            Row(table, part.Name, Shape(part.Whole), part.Axis < 0 ? "all" : Shape(part.Local));
        terminal.Console.Write(table);
        terminal.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{parameters:N0} parameters per rank, {Terminal.Bytes(parameters * 2.0)} as bfloat16"));
    }

    private static string Shape(IReadOnlyList<long> shape) => $"[{string.Join(", ", shape)}]";

    private static Table Table(params string[] columns)
    {
        var table = new Table().Border(TableBorder.Simple);
        foreach (var column in columns)
            table.AddColumn(new TableColumn(Markup.Escape(column)).NoWrap());
        return table;
    }

    private static void Row(Table table, params string[] cells) => table.AddRow([.. cells.Select(cell => new Text(cell))]);
}
