namespace Generated.Tokenization.ByteLevel;

/// <summary>GPT-2's merges.txt: after an optional "#version" line, one pair per line, the first merges first.</summary>
internal static class MergesFile
{
    /// <summary>The pairs of a file.</summary>
    public static IReadOnlyList<(string Left, string Right)> Parse(string text, string name)
    {
        var pairs = new List<(string, string)>();
        int line = 0;
        foreach (var range in text.AsSpan().Split('\n'))
        {
            var row = text.AsSpan(range).TrimEnd('\r');
            line++;
            if (row.IsWhiteSpace() || (line == 1 && row.StartsWith("#version")))
                continue;
            int space = row.IndexOf(' ');
            if (space <= 0 || space == row.Length - 1 || row[(space + 1)..].Contains(' '))
                throw new InvalidInputException($"{name}, line {line}: expected two tokens and a space between them, found \"{row[..Math.Min(40, row.Length)]}\".");
            pairs.Add((row[..space].ToString(), row[(space + 1)..].ToString()));
        }
        return pairs;
    }

    /// <summary>Checks that the tokens of a list of pairs, and what they merge to, are in the vocabulary.</summary>
    /// <param name="pairs">The pairs in order.</param>
    /// <param name="idOf">The vocabulary.</param>
    /// <param name="name">File that the pairs are from, for messages.</param>
    /// <exception cref="InvalidInputException">A pair, or what it merges to, is not in the vocabulary.</exception>
    public static void Check(IReadOnlyList<(string Left, string Right)> pairs, Dictionary<string, int> idOf, string name)
    {
        for (int rank = 0; rank < pairs.Count; rank++)
        {
            var (left, right) = pairs[rank];
            foreach (string token in new[] { left, right, left + right })
            {
                if (!idOf.ContainsKey(token))
                    throw new InvalidInputException($"{name}: merge {rank} needs the token \"{token}\", which the vocabulary does not have; the files are of different tokenizers.");
            }
        }
    }
}
