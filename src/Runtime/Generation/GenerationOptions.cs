namespace Generated.Generation;

/// <summary>How text is continued. The default is greedy: the most probable token each time.</summary>
public sealed record GenerationOptions
{
    /// <summary>Most tokens to add.</summary>
    public int MaxTokens { get; init; } = 256;

    /// <summary>Divides the logits; 0 means greedy, 1 the model's own distribution.</summary>
    public double Temperature { get; init; }

    /// <summary>Only the K most probable tokens may be drawn; 0 means all.</summary>
    public int TopK { get; init; }

    /// <summary>Only the most probable tokens that together reach this probability may be drawn (Holtzman et al., 2020); 1 means all.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Only tokens at least this fraction as probable as the most probable may be drawn (Nguyen et al., 2024); 0 means all.</summary>
    public double MinP { get; init; }

    /// <summary>Makes tokens of prompt and answer less probable: their logits are divided by it where positive, multiplied where negative (Keskar et al., 2019); 1 means no change.</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Where the random numbers start. Row r of a batch draws as a single prompt with seed + r would.</summary>
    public ulong Seed { get; init; }

    /// <summary>Texts that end the generation; they are not part of the result.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Token ids that end the generation; null means those of the tokenizer and of generation_config.json or config.json.</summary>
    public IReadOnlyList<int>? EosIds { get; init; }

    /// <summary>Whether the most probable token is taken each time.</summary>
    public bool IsGreedy => Temperature == 0;

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="InvalidInputException">A value is out of its range.</exception>
    public void Check()
    {
        Require(MaxTokens >= 1, "max-tokens", MaxTokens, "at least 1");
        Require(double.IsFinite(Temperature) && Temperature >= 0, "temperature", Temperature, "0 (greedy) or more");
        Require(TopK >= 0, "top-k", TopK, "0 (all) or more");
        Require(TopP is > 0 and <= 1, "top-p", TopP, "above 0 and at most 1");
        Require(MinP is >= 0 and <= 1, "min-p", MinP, "between 0 and 1");
        Require(double.IsFinite(RepetitionPenalty) && RepetitionPenalty > 0, "repetition-penalty", RepetitionPenalty, "above 0");
        Require(!StopStrings.Contains(""), "stop", "empty", "a text");
    }

    private static void Require(bool condition, string name, object value, string expected)
    {
        if (!condition)
            throw new InvalidInputException(FormattableString.Invariant($"{name} is {value}; it has to be {expected}."));
    }
}

/// <summary>Why a generation ended.</summary>
public enum FinishReason
{
    /// <summary>It has not ended.</summary>
    None,

    /// <summary>The model produced an end-of-sequence token.</summary>
    Eos,

    /// <summary>A stop string appeared.</summary>
    StopString,

    /// <summary>The wanted number of tokens is reached.</summary>
    MaxTokens,

    /// <summary>The model's longest sequence is reached.</summary>
    ContextLength,
}
