using Generated.Checkpoints;
using Generated.Generation;
using Generated.Verification;

namespace Models.Tests;

/// <summary>Generating for several prompts at once gives what each gives alone, and what the original implementations recorded for the padded batch.</summary>
public sealed class PaddedBatchTests
{
    static PaddedBatchTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    [Theory]
    [InlineData("llama"), InlineData("llama2-gqa"), InlineData("chatglm"), InlineData("chatglm-untied"), InlineData("chatglm2"), InlineData("bloom"), InlineData("gpt")]
    [InlineData("opt"), InlineData("opt-postln"), InlineData("glm"), InlineData("qwen"), InlineData("qwen2"), InlineData("baichuan-7b"), InlineData("baichuan-13b"), InlineData("baichuan2-7b")]
    public void Batch_EqualsEachPromptAlone_AndTheRecordedTokens(string name)
    {
        using var loaded = Fixtures.Load(name);
        using var golden = Checkpoint.Open(Path.Combine(Fixtures.Folder(name), "golden.safetensors"));
        var inputs = new GoldenInputs(golden);
        var ids = GoldenInputs.Integers(golden, "input_ids");
        int[][] prompts = [.. Enumerable.Range(0, inputs.Rows).Select(row => Enumerable.Range(0, inputs.Length)
            .Where(column => inputs.IsReal(row, column)).Select(column => (int)ids[(row * inputs.Length) + column]).ToArray())];
        Assert.True(prompts[1].Length < prompts[0].Length);

        var recorded = GoldenInputs.Integers(golden, "greedy_tokens.batch");
        var steps = recorded.Length / inputs.Rows;
        var generator = new TextGenerator(loaded.Model, null, []);
        var options = new GenerationOptions { MaxTokens = steps, EosIds = [] };
        var batch = generator.Complete(prompts, options);
        for (var row = 0; row < prompts.Length; row++)
        {
            Assert.Equal(recorded.Skip(row * steps).Take(steps).Select(id => (int)id), batch[row].Ids);
            Assert.Equal(generator.Complete([prompts[row]], options)[0].Ids, batch[row].Ids);
        }
    }

    [Fact]
    public void Glm_WithoutAPiece_IsPaddedOnTheLeft()
    {
        using var loaded = Fixtures.Load("glm");
        var generator = new TextGenerator(loaded.Model, null, []);
        var options = new GenerationOptions { MaxTokens = 12, EosIds = [] };
        int[][] prompts = [[20, 30, 40, 50, 60], [70, 80], [5, 21, 6, 7, 8, 25]];
        Assert.Equal(prompts.Select(prompt => generator.Complete([prompt], options)[0].Ids), generator.Complete(prompts, options).Select(text => text.Ids));
    }
}
