using System.Text.Json;

namespace Cli.Tests;

/// <summary><c>generated analyze</c>: the report's folder, the search, wrong use.</summary>
public sealed class AnalyzeTests
{
    [Fact]
    public async Task Analyze_TextThroughTheTokenizer_WritesAReport()
    {
        using var folder = Data.Temporary();
        File.WriteAllText(folder["text.txt"], string.Concat(Enumerable.Repeat("First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n", 12)));
        // Five layers are enough: one of each block.
        File.WriteAllText(folder["mine.json"], """{"weights": {"bits": 4, "per": "group", "group_size": 32}, "keep": ["*self_attn*", "*gate_proj", "*up_proj"]}""");
        var run = (await Run.Of("analyze", Data.Demo, "--recipe", folder["mine.json"], "--text", folder["text.txt"], "--window", "64", "--to", "0.5", "--metric-rows", "2", "--out", folder["study"], "--plots")).Ok();
        Assert.Contains("LlamaBlock.Mlp.Down@", run.Output, StringComparison.Ordinal);
        Assert.Contains(folder["study", "report.html"], run.Output, StringComparison.Ordinal);
        Assert.All(["report.html", "layers.csv", "statistics.csv", "analysis.json", Path.Combine("plots", "sensitivity.png")], name => Assert.True(File.Exists(folder["study", name]), name));
        Assert.Equal(6, File.ReadAllLines(folder["study", "layers.csv"]).Length);
    }

    [Fact]
    public async Task Analyze_Target_WritesARecipeThatQuantizeTakes()
    {
        using var folder = Data.Temporary();
        WriteTokens(folder["tokens.jsonl"]);
        string[] analyze = ["analyze", Data.Fixture("llama"), "--recipe", "w4-rtn", "--group-size", "32", "--text", folder["tokens.jsonl"], "--to", "0.5", "--metric", "mse", "--out", folder["study"], "--json"];
        var all = (await Run.Of(analyze)).Ok().Json.Single().GetProperty("report");
        var target = all.GetProperty("metric_after").GetDouble() * 0.7;
        var found = (await Run.Of([.. analyze, "--target", target.ToString("R", System.Globalization.CultureInfo.InvariantCulture)])).Ok().Json.Single().GetProperty("report");
        var steps = found.GetProperty("search").GetProperty("steps").EnumerateArray().ToArray();
        Assert.True(found.GetProperty("search").GetProperty("is_reached").GetBoolean());
        Assert.True(steps[^1].GetProperty("metric").GetDouble() <= target);
        Assert.All(steps[..^1], step => Assert.True(step.GetProperty("metric").GetDouble() > target));

        (await Run.Of("quantize", Data.Fixture("llama"), folder["quantized"], "--recipe", folder["study", "recipe.json"], "--calibration", folder["tokens.jsonl"], "--to", "0.5")).Ok();
        var linears = JsonDocument.Parse(File.ReadAllText(folder["quantized", "quantization_report.json"])).RootElement.GetProperty("linears").GetArrayLength();
        Assert.Equal(all.GetProperty("layers").GetArrayLength() - (steps.Length - 1), linears);
    }

    [Fact]
    public async Task Analyze_TargetOutOfReach_Fails()
    {
        using var folder = Data.Temporary();
        WriteTokens(folder["tokens.jsonl"]);
        var run = await Run.Of("analyze", Data.Fixture("llama"), "--recipe", "w8", "--text", folder["tokens.jsonl"], "--to", "0.5", "--metric", "mse", "--metric-rows", "1", "--target", "0", "--out", folder["study"]);
        run.Refused(1, "target of 0", "float32");
        Assert.True(File.Exists(folder["study", "report.html"]));
    }

    [Fact]
    public async Task Analyze_WrongUse_IsRefused()
    {
        using var folder = Data.Temporary();
        WriteTokens(folder["tokens.jsonl"]);
        string[] start = ["analyze", Data.Fixture("llama"), "--text", folder["tokens.jsonl"], "--out", folder["study"], "--recipe"];
        (await Run.Of([.. start, "w9"])).Refused(2, "'w9'", "did you mean");
        (await Run.Of([.. start, "kv8"])).Refused(2, "no linear");
        (await Run.Of([.. start, "w8", "--metric", "accuracy"])).Refused(2, "accuracy");
        (await Run.Of([.. start, "w8", "--to", "1"])).Refused(2, "--to 1");
        (await Run.Of("analyze", Data.Fixture("llama"), "--recipe", "w8")).Refused(2, "--text");
        (await Run.Of("analyze", Data.Fixture("llama"), "--recipe", "w8", "--text", folder["none.txt"])).Refused(2, "none.txt");
    }

    private static void WriteTokens(string path)
    {
        var random = new Random(3);
        File.WriteAllLines(path, Enumerable.Range(0, 6).Select(_ => $"{{\"ids\": [1, {string.Join(", ", Enumerable.Range(0, 19).Select(_ => random.Next(3, 320)))}]}}"));
    }
}
