using System.Text.Json;
using Generated.Architectures;
using Generated.Models;

namespace Models.Tests;

/// <summary>
/// The generated weight map beside tables of names that were read from PaddleNLP's sources: every Hugging Face name, its
/// Paddle name, whether the matrix is transposed on the way, and how tensor parallelism divides it.
/// </summary>
public sealed class PaddleNameTests
{
    static PaddleNameTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Llama).Module.ModuleHandle);

    /// <summary>One row of a table, with <c>{i}</c> for the block.</summary>
    private sealed record Row(string HuggingFace, string Paddle, bool IsTransposed);

    public static TheoryData<string, string> Tables => new()
    {
        { "llama", "llama-7b" }, { "chatglm", "chatglm-6b" }, { "chatglm_v2", "chatglm2-6b" }, { "bloom", "bloom-560m" },
        { "gpt", "gpt3-1.3b" }, { "opt", "opt-350m" }, { "opt", "opt-125m" }, { "glm", "glm-large" }, { "qwen", "qwen-7b" },
    };

    [Theory, MemberData(nameof(Tables))]
    public void Names_AreThoseOfPaddlesTable(string table, string preset)
    {
        var (architecture, sizes) = ArchitectureRegistry.FindPreset(preset);
        var actual = Rows(architecture, sizes.Config()).Select(r => r.Row).ToList();
        var expected = Table(table).ToList();
        if (table == "chatglm") actual.RemoveAll(r => r.HuggingFace == "lm_head.weight"); // Paddle's file has none: there it is the embedding
        Assert.Empty(actual.Except(expected.Select(e => e.Row)));
        Assert.Empty(expected.Where(e => !e.IsOptional).Select(e => e.Row).Except(actual));
    }

    [Theory, MemberData(nameof(Tables))]
    public void Partitions_AreThoseOfPaddlesTable(string table, string preset)
    {
        var (architecture, sizes) = ArchitectureRegistry.FindPreset(preset);
        var expected = Table(table).ToDictionary(e => e.Row.Paddle, e => e.Partition);
        foreach (var (row, partition) in Rows(architecture, sizes.Config()))
        {
            // Between the embedding and the first norm, and behind the last one, a division could not be paired; OPT's head is divided as its embedding.
            if (table == "opt" && row.HuggingFace is "model.decoder.project_in.weight" or "model.decoder.project_out.weight" or "lm_head.weight") continue;
            if (expected.TryGetValue(row.Paddle, out var theirs)) Assert.True(theirs == partition, $"{row.Paddle}: {partition ?? "replicated"}, in Paddle {theirs ?? "replicated"}");
        }
    }

    private static IEnumerable<(Row Row, string? Partition)> Rows(ArchitectureInfo architecture, object config)
    {
        var structure = architecture.StructureOf(config);
        var linears = structure.Linears.ToDictionary(l => l.Name);
        var summed = structure.Exchanges.Where(e => e.Kind == ExchangeKind.Sum).Select(e => e.Path).ToHashSet();
        foreach (var tensor in architecture.TensorsOf(config))
        {
            if (Template(tensor.Name) is not { } name) continue;
            var partition = linears.TryGetValue(name[..name.LastIndexOf('.')], out var linear) ? Partition(linear.Partition, tensor.Kind)
                : summed.Contains($"{architecture.Name}.{tensor.Layer}") ? "vocab"
                : null;
            var isTransposed = tensor.Kind == TensorKind.Weight && (tensor.PaddleLayout == PaddleLayout.Transposed) != tensor.StoredInOut;
            foreach (var paddle in tensor.PaddleSections.Count > 0 ? tensor.PaddleSections : tensor.Paddle is { } one ? [one] : [])
                yield return (new Row(name, Template(paddle)!, isTransposed), partition);
        }
    }

    private static string? Partition(TensorPartition partition, TensorKind kind) => partition switch
    {
        TensorPartition.Column => "column",
        TensorPartition.Row when kind == TensorKind.Weight => "row",
        TensorPartition.Vocabulary => "vocab",
        _ => null,
    };

    /// <summary>A name of block 0 with <c>{i}</c>; null for those of other blocks.</summary>
    private static string? Template(string name)
    {
        var parts = name.Split('.');
        var index = Array.FindIndex(parts, p => int.TryParse(p, out _));
        if (index < 0) return name;
        if (parts[index] != "0") return null;
        parts[index] = "{i}";
        return string.Join('.', parts);
    }

    /// <summary>The tensors of Paddle's files; fused variants, and what Paddle does not save, are left out.</summary>
    private static IEnumerable<(Row Row, string? Partition, bool IsOptional)> Table(string name)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(Fixtures.Folder("paddle-names"), name + ".json")));
        foreach (var row in document.RootElement.EnumerateArray())
        {
            var huggingFace = row.GetProperty("hf");
            var isSaved = !row.TryGetProperty("saved", out var saved) || saved.GetBoolean();
            if (!isSaved || huggingFace.ValueKind != JsonValueKind.String || row.GetProperty("paddle").GetString() is not { } paddle) continue;
            if (paddle.EndsWith("inv_freq", StringComparison.Ordinal)) continue; // a buffer that is computed here
            yield return (
                new Row(huggingFace.GetString()!, paddle, row.GetProperty("transpose").GetBoolean()),
                row.GetProperty("tp").GetString(),
                row.TryGetProperty("optional", out var optional) && optional.GetBoolean());
        }
    }
}
