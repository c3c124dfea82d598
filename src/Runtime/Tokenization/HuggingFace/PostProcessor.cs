namespace Generated.Tokenization.HuggingFace;

/// <summary>tokenizer.json's "post_processor": the ids put around a single text.</summary>
internal static class PostProcessor
{
    public static (IReadOnlyList<int> Prefix, IReadOnlyList<int> Suffix) Read(JsonNode node)
    {
        IEnumerable<int> prefix = [], suffix = [];
        foreach (var step in node.Flatten("processors"))
        {
            var (before, after) = ReadStep(step);
            prefix = before.Concat(prefix);
            suffix = suffix.Concat(after);
        }
        return ([.. prefix], [.. suffix]);
    }

    private static (List<int> Before, List<int> After) ReadStep(JsonNode step)
    {
        switch (step.Type)
        {
            case "ByteLevel":
                return ([], []);
            case "TemplateProcessing":
                return ReadTemplate(step);
            case "BertProcessing" or "RobertaProcessing":
                return ([IdOfPair(step["cls"])], [IdOfPair(step["sep"])]);
            default:
                throw step.Unsupported($"the post-processor {step.Type}");
        }
    }

    private static (List<int> Before, List<int> After) ReadTemplate(JsonNode step)
    {
        List<int> before = [], after = [], current = before;
        foreach (var part in step["single"].Items)
        {
            if (!part["Sequence"].IsNull)
            {
                current = after;
                continue;
            }
            var token = part["SpecialToken"]["id"];
            foreach (var id in step["special_tokens"][token.Text]["ids"].Items)
                current.Add(id.Number);
        }
        return (before, after);
    }

    private static int IdOfPair(JsonNode pair)
    {
        var items = pair.Items.ToArray();
        return items.Length == 2 ? items[1].Number : throw pair.Wrong("a token and its id");
    }
}
