using System.CommandLine;
using Generated.Generation;

namespace Generated.Cli;

/// <summary>The options that say how text is continued.</summary>
internal sealed class SamplingOptions
{
    private static readonly GenerationOptions Usual = new();

    private readonly Option<int> _maxTokens = new("--max-tokens", "-n") { Description = "Most tokens to add.", DefaultValueFactory = _ => Usual.MaxTokens, HelpName = "n" };
    private readonly Option<double> _temperature = new("--temperature") { Description = "Divides the logits; 0 takes the most probable token.", DefaultValueFactory = _ => Usual.Temperature, HelpName = "t" };
    private readonly Option<int> _topK = new("--top-k") { Description = "Draws from the k most probable; 0 for all.", DefaultValueFactory = _ => Usual.TopK, HelpName = "k" };
    private readonly Option<double> _topP = new("--top-p") { Description = "Draws from the most probable that reach p together.", DefaultValueFactory = _ => Usual.TopP, HelpName = "p" };
    private readonly Option<double> _minP = new("--min-p") { Description = "Draws from those at least p times as probable as the best.", DefaultValueFactory = _ => Usual.MinP, HelpName = "p" };
    private readonly Option<double> _penalty = new("--repetition-penalty") { Description = "Above 1, makes tokens that occurred less probable.", DefaultValueFactory = _ => Usual.RepetitionPenalty, HelpName = "x" };
    private readonly Option<ulong> _seed = new("--seed") { Description = "Start of the random numbers; equal seeds give equal texts.", DefaultValueFactory = _ => Usual.Seed, HelpName = "n" };
    private readonly Option<string[]> _stop = new("--stop") { Description = "Text that ends the generation; may be repeated.", DefaultValueFactory = _ => [], HelpName = "text" };
    private readonly Option<bool> _ignoreEos = new("--ignore-eos") { Description = "Goes on after the end-of-sequence token." };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _maxTokens, _temperature, _topK, _topP, _minP, _penalty, _seed, _stop, _ignoreEos })
            command.Add(option);
    }

    /// <exception cref="InvalidInputException">A value is out of its range.</exception>
    public GenerationOptions Read(ParseResult parse)
    {
        var options = new GenerationOptions
        {
            MaxTokens = parse.GetValue(_maxTokens),
            Temperature = parse.GetValue(_temperature),
            TopK = parse.GetValue(_topK),
            TopP = parse.GetValue(_topP),
            MinP = parse.GetValue(_minP),
            RepetitionPenalty = parse.GetValue(_penalty),
            Seed = parse.GetValue(_seed),
            StopStrings = parse.GetRequiredValue(_stop),
            EosIds = parse.GetValue(_ignoreEos) ? [] : null,
        };
        options.Check();
        return options;
    }
}
