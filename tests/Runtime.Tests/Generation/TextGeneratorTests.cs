using Generated;
using Generated.Generation;
using Generated.Loading;
using Runtime.Tests.Loading;

namespace Runtime.Tests.Generation;

public sealed class TextGeneratorTests
{
    private static readonly int[][] Prompts = [[5, 17, 200, 33, 9], [7], [12, 250, 3]];

    private static IReadOnlyList<GeneratedText> Alone(TextGenerator generator, GenerationOptions options) =>
        [.. Prompts.Select((prompt, row) => generator.Complete([prompt], options with { Seed = options.Seed + (ulong)row })[0])];

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.9, 1)]
    [InlineData(0, 1.3)]
    public void Batch_EqualsEachRowAlone(double temperature, double penalty)
    {
        using var loaded = Models.Fixture("llama2-gqa");
        var generator = loaded.CreateGenerator();
        var options = new GenerationOptions { MaxTokens = 20, Temperature = temperature, TopP = 0.9, RepetitionPenalty = penalty, Seed = 11, EosIds = [] };
        var batch = generator.Complete(Prompts, options);
        Assert.Equal(Alone(generator, options).Select(t => string.Join(' ', t.Ids)), batch.Select(t => string.Join(' ', t.Ids)));
        Assert.All(batch, row => Assert.Equal((20, FinishReason.MaxTokens), (row.Ids.Count, row.Finish)));
    }

    [Fact]
    public void Eos_EndsItsRowOnly()
    {
        using var loaded = Models.Fixture("llama");
        var generator = loaded.CreateGenerator();
        var free = generator.Complete(Prompts, new GenerationOptions { MaxTokens = 12, EosIds = [] });
        var end = free[0].Ids[4];
        var ended = generator.Complete(Prompts, new GenerationOptions { MaxTokens = 12, EosIds = [end] });
        for (var row = 0; row < Prompts.Length; row++)
        {
            var at = free[row].Ids.ToList().IndexOf(end);
            Assert.Equal(at < 0 ? free[row].Ids : free[row].Ids.Take(at + 1), ended[row].Ids);
            Assert.Equal(at < 0 ? FinishReason.MaxTokens : FinishReason.Eos, ended[row].Finish);
        }
    }

    [Fact]
    public void LongestSequence_EndsTheGeneration_AndLongerPromptsAreRefused()
    {
        using var loaded = Models.Fixture("llama");
        var generator = new TextGenerator(loaded.Model, null, [], contextLength: 10);
        var result = generator.Complete([[1, 2, 3, 4, 5, 6]], new GenerationOptions { MaxTokens = 50 })[0];
        Assert.Equal((4, FinishReason.ContextLength), (result.Ids.Count, result.Finish));
        Assert.Contains("10 tokens and the model's longest sequence is 10", Refusal(() => generator.Complete([Enumerable.Repeat(1, 10).ToArray()])));
    }

    [Fact]
    public void UnusablePrompts_AreRefused()
    {
        using var loaded = Models.Fixture("llama");
        var generator = loaded.CreateGenerator();
        Assert.Contains("token 320", Refusal(() => generator.Complete([[1], [320]])));
        Assert.Contains("without tokens", Refusal(() => generator.Complete([[1], []])));
        Assert.Contains("no tokenizer", Refusal(() => generator.Complete("text")));
        Assert.Contains("Stop strings", Refusal(() => generator.Complete([[1]], new GenerationOptions { StopStrings = ["x"] })));
    }

    [SkippableFact]
    public void PretrainedModel_WritesTheRecordedStories()
    {
        var folder = Models.Stories();
        using var loaded = Models.Load(Path.Combine(folder, "hf"));
        var generator = loaded.CreateGenerator();
        var options = new GenerationOptions { MaxTokens = 64, EosIds = [] };
        const string Prompt = "Once upon a time";
        Assert.Equal(File.ReadAllText(Path.Combine(folder, "expected_text.txt")).TrimEnd('\n'), (Prompt + generator.Complete(Prompt, options).Text).TrimEnd('\n'));

        var fromBos = generator.Complete([[1]], new GenerationOptions { MaxTokens = 256, EosIds = [] })[0];
        Assert.Equal(File.ReadAllText(Path.Combine(folder, "expected_text_from_bos.txt")).TrimEnd('\n'), fromBos.Text.TrimEnd('\n'));
    }

    [SkippableFact]
    public void StopString_EndsTheTextBeforeIt_AndStreamingEqualsTheWhole()
    {
        using var loaded = Models.Load(Path.Combine(Models.Stories(), "hf"));
        var generator = loaded.CreateGenerator();
        var whole = generator.Complete("Once upon a time", new GenerationOptions { MaxTokens = 64 }).Text;
        var stop = whole.Substring(40, 9);
        var options = new GenerationOptions { MaxTokens = 64, StopStrings = [stop] };
        var stopped = generator.Complete("Once upon a time", options);
        Assert.Equal(FinishReason.StopString, stopped.Finish);
        Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], stopped.Text);
    }

    private static string Refusal(Action act) => Assert.Throws<InvalidInputException>(act).Message;
}
