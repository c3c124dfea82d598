using Generated.Tokenization.Bpe;

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

    /// <summary>The merge table of a list of pairs.</summary>
    /// <param name="pairs">The pairs in order.</param>
    /// <param name="idOf">A token's id, or -1.</param>
    /// <param name="name">File that the pairs are from, for messages.</param>
    /// <exception cref="InvalidInputException">A pair, or what it merges to, is not in the vocabulary.</exception>
    public static PairMerges Build(IReadOnlyList<(string Left, string Right)> pairs, Func<string, int> idOf, string name)
    {
        var merges = new PairMerges(pairs.Count);
        for (int rank = 0; rank < pairs.Count; rank++)
        {
            var (left, right) = pairs[rank];
            merges.Add(Id(left, rank), Id(right, rank), rank, Id(left + right, rank));
        }
        return merges;

        int Id(string token, int rank) => idOf(token) is >= 0 and int id
            ? id
            : throw new InvalidInputException($"{name}: merge {rank} needs the token \"{token}\", which the vocabulary does not have; the files are of different tokenizers.");
    }
}
