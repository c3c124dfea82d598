using System.Text.RegularExpressions;
using Generated.Tokenization.Splitting;

namespace Generated.Tokenization.HuggingFace;

/// <summary>Reads tokenizer.json's "pre_tokenizer".</summary>
internal static class PreTokenizerReader
{
    /// <summary>The steps, and whether the model's symbols are bytes in GPT-2's alphabet.</summary>
    public static (IReadOnlyList<PreTokenizer> Steps, bool IsByteLevel) Read(JsonNode node)
    {
        var steps = new List<PreTokenizer>();
        bool isByteLevel = false;
        foreach (var step in node.Flatten("pretokenizers"))
        {
            if (isByteLevel)
                throw step.Unsupported("a step after ByteLevel");
            isByteLevel = step.Type == "ByteLevel";
            steps.AddRange(ReadStep(step));
        }
        return (steps, isByteLevel);
    }

    private static IEnumerable<PreTokenizer> ReadStep(JsonNode step)
    {
        switch (step.Type)
        {
            case "ByteLevel":
                if (step["add_prefix_space"].FlagOr(true))
                    yield return new PrefixSpacePreTokenizer();
                if (step["use_regex"].FlagOr(true))
                    yield return new WordPreTokenizer(new Gpt2Splitter());
                break;
            case "Split":
                yield return ReadSplit(step);
                break;
            case "Metaspace":
                yield return ReadMetaspace(step);
                break;
            case "Digits":
                yield return Pattern(step, @"\p{N}", step["individual_digits"].FlagOr(false) ? SplitBehavior.Isolated : SplitBehavior.Contiguous);
                break;
            case "Punctuation":
                yield return Pattern(step, @"[\p{P}$+<=>^`|~]", Behavior(step["behavior"], SplitBehavior.Isolated));
                break;
            case "Whitespace":
                yield return Pattern(step, @"\w+|[^\w\s]+", SplitBehavior.Removed, invert: true);
                break;
            case "WhitespaceSplit":
                yield return Pattern(step, @"\s", SplitBehavior.Removed);
                break;
            default:
                throw step.Unsupported($"the pre-tokenizer {step.Type}");
        }
    }

    private static PreTokenizer ReadSplit(JsonNode step)
    {
        var behavior = Behavior(step["behavior"], null);
        bool invert = step["invert"].FlagOr(false);
        var pattern = step["pattern"];
        if (!pattern["String"].IsNull)
            return Pattern(step, Regex.Escape(pattern["String"].Text), behavior, invert);
        string regex = pattern["Regex"].Text;
        // These cover the text without gaps, so what happens to gaps and how matches are isolated makes no difference.
        bool plain = (behavior == SplitBehavior.Isolated && !invert) || (behavior == SplitBehavior.Removed && invert);
        if (plain && WordSplitter.ForPattern(regex) is { } splitter)
            return new WordPreTokenizer(splitter);
        return new SplitPreTokenizer(new PatternMatcher(RegexTranslator.Compile(regex, pattern.Path), pattern.Path), behavior, invert);
    }

    private static MetaspacePreTokenizer ReadMetaspace(JsonNode step)
    {
        string replacement = step["replacement"].TextOr("\u2581");
        if (replacement.Length != 1)
            throw step.Unsupported($"the replacement \"{replacement}\"");
        return new MetaspacePreTokenizer(replacement[0], Scheme(step), step["split"].FlagOr(true));
    }

    /// <summary>Metaspace's prepend_scheme, or what the older add_prefix_space means.</summary>
    internal static PrependScheme Scheme(JsonNode step) => step["prepend_scheme"].TextOr(step["add_prefix_space"].FlagOr(true) ? "always" : "never") switch
    {
        "always" => PrependScheme.Always,
        "first" => PrependScheme.First,
        "never" => PrependScheme.Never,
        var other => throw step.Unsupported($"the prepend scheme \"{other}\""),
    };

    private static SplitPreTokenizer Pattern(JsonNode step, string pattern, SplitBehavior behavior, bool invert = false)
        => new(new PatternMatcher(new Regex(pattern, RegexOptions.CultureInvariant), step.Path), behavior, invert);

    private static SplitBehavior Behavior(JsonNode node, SplitBehavior? fallback)
        => node.IsNull && fallback is { } known ? known
        : Enum.TryParse(node.Text, out SplitBehavior behavior) ? behavior
        : throw node.Unsupported($"the behaviour \"{node.Text}\"");
}
