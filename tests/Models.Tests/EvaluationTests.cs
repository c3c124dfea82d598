using Generated.Checkpoints;
using Generated.Evaluation;
using Generated.Verification;

namespace Models.Tests;

/// <summary>Perplexity and the check of a model against itself, on every family's recorded tokens.</summary>
public sealed class EvaluationTests
{
    static EvaluationTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    public static TheoryData<string> Families =>
    [
        "llama", "llama2-gqa", "chatglm", "chatglm2", "bloom", "gpt", "opt", "opt-postln", "glm", "qwen", "qwen2", "baichuan-7b", "baichuan-13b", "baichuan2-7b",
    ];

    [Theory, MemberData(nameof(Families))]
    public void Perplexity_OfTheRecordedTokens_IsTheRecordedLoss(string name)
    {
        using var loaded = Fixtures.Load(name);
        using var golden = Open(name);
        var row = Rows(golden)[0];
        using var recorded = golden.Load("loss");
        // The row twice: two windows in one pass.
        var result = Perplexity.Measure(loaded.Model, new TextWindows([.. row.Skip(1), .. row.Skip(1)], row.Length), bos: row[0], batch: 2);
        Assert.Equal(2 * (row.Length - 1), result.Tokens);
        Assert.Equal(recorded.item<float>(), result.MeanNll, 1e-4);
    }

    [Theory, MemberData(nameof(Families))]
    public void Passes_OverThePaddedBatch_AgreeWithTheDeclaration(string name)
    {
        using var loaded = Fixtures.Load(name);
        using var golden = Open(name);
        var rows = Rows(golden);
        Assert.True(rows[1].Length < rows[0].Length);
        AssertOk(Consistency.Check(loaded.Model, rows, prompt: rows[0].Length - 2, absolute: 3e-4));
        AssertOk(Consistency.Check(loaded.Model, rows[1], absolute: 3e-4));
    }

    [Fact]
    public void Glm_IsPaddedBetweenPrefixAndPiece()
    {
        using var loaded = Fixtures.Load("glm");
        using var golden = Open("glm");
        var rows = Rows(golden);
        var batch = loaded.Model.Inputs.Pad(rows, 9);
        // The recorded ids, pads and all.
        Assert.Equal(GoldenInputs.Integers(golden, "input_ids"), batch.Ids);
        // Its prefix cannot be decoded token by token.
        Assert.Throws<ArgumentException>(() => Consistency.Check(loaded.Model, rows, prompt: 8));
    }

    private static Checkpoint Open(string name) => Checkpoint.Open(Path.Combine(Fixtures.Folder(name), "golden.safetensors"));

    /// <summary>The recorded rows without their padding.</summary>
    private static int[][] Rows(Checkpoint golden)
    {
        var inputs = new GoldenInputs(golden);
        var ids = GoldenInputs.Integers(golden, "input_ids");
        return [.. Enumerable.Range(0, inputs.Rows).Select(row => Enumerable.Range(0, inputs.Length)
            .Where(column => inputs.IsReal(row, column)).Select(column => (int)ids[(row * inputs.Length) + column]).ToArray())];
    }

    private static void AssertOk(IReadOnlyList<Comparison> results) =>
        Assert.True(results.All(result => result.IsOk), string.Join('\n', results.Where(result => !result.IsOk)));
}
