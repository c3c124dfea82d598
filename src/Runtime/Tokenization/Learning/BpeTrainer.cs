using Generated.Tokenization.Splitting;
using Generated.Tokenization.Text;

namespace Generated.Tokenization.Learning;

/// <summary>
/// Learns a byte-level BPE vocabulary from text (Sennrich et al., 2016, on GPT-2's words and bytes): the most frequent
/// pair of neighbouring tokens becomes a token, again and again. Ties go to the pair whose tokens were made first, so
/// that the same text gives the same vocabulary everywhere.
/// </summary>
public static class BpeTrainer
{
    /// <summary>Learns a vocabulary.</summary>
    /// <param name="text">The text to learn from.</param>
    /// <param name="vocabSize">Wanted number of tokens: 256 bytes, the merges, and the special tokens.</param>
    /// <param name="specialTokens">Tokens that stand for themselves; they get the first ids.</param>
    /// <param name="progress">Told the number of merges made so far.</param>
    /// <exception cref="InvalidInputException">The vocabulary is too small for bytes and special tokens, or there is no text, or a special token is empty or given twice.</exception>
    public static LearnedVocabulary Train(string text, int vocabSize, IReadOnlyList<string> specialTokens, IProgress<int>? progress = null)
    {
        var merges = vocabSize - 256 - specialTokens.Count;
        if (merges < 0)
            throw new InvalidInputException($"A vocabulary of {vocabSize} tokens is too small: 256 bytes and {specialTokens.Count} special tokens need {256 + specialTokens.Count}.");
        if (specialTokens.FirstOrDefault(token => token.Length == 0 || specialTokens.Count(other => other == token) > 1) is { } unusable)
            throw new InvalidInputException(unusable.Length == 0 ? "A special token is empty." : $"The special token '{unusable}' is given twice.");
        if (text.Length == 0)
            throw new InvalidInputException("There is no text to learn a vocabulary from.");

        var words = CountWords(text);
        var pairs = new PairIndex(words);
        var tokens = Enumerable.Range(0, 256).Select(b => new[] { (byte)b }).ToList();
        var learned = new List<(int Left, int Right)>();
        while (learned.Count < merges && pairs.MostFrequent() is { } pair)
        {
            tokens.Add([.. tokens[pair.Left], .. tokens[pair.Right]]);
            learned.Add(pair);
            pairs.Merge(pair, tokens.Count - 1);
            if (learned.Count % 64 == 0) progress?.Report(learned.Count);
        }

        return new LearnedVocabulary(specialTokens, tokens, learned);
    }

    private static List<Word> CountWords(string text)
    {
        var splitter = new Gpt2Splitter();
        var counts = new Dictionary<string, long>();
        for (var start = 0; start < text.Length;)
        {
            var end = splitter.WordEnd(text, start);
            var word = text[start..end];
            counts[word] = counts.GetValueOrDefault(word) + 1;
            start = end;
        }

        return [.. counts.OrderBy(c => c.Key, StringComparer.Ordinal).Select(c => new Word([.. Utf8.Bytes(c.Key).Select(b => (int)b)], c.Value))];
    }

    /// <summary>A distinct word as the tokens it consists of by now, and how often it occurs.</summary>
    private sealed class Word(List<int> tokens, long count)
    {
        public List<int> Tokens { get; } = tokens;
        public long Count { get; } = count;
    }

    /// <summary>How often each pair of neighbours occurs and in which words; a lazily cleaned heap finds the most frequent.</summary>
    private sealed class PairIndex
    {
        private readonly List<Word> _words;
        private readonly Dictionary<(int, int), long> _counts = [];
        private readonly Dictionary<(int, int), HashSet<int>> _places = [];
        private readonly PriorityQueue<((int Left, int Right) Pair, long Count), (long, int, int)> _heap = new();

        public PairIndex(List<Word> words)
        {
            _words = words;
            for (var w = 0; w < words.Count; w++)
                for (var i = 0; i + 1 < words[w].Tokens.Count; i++)
                    Change((words[w].Tokens[i], words[w].Tokens[i + 1]), w, words[w].Count);
            foreach (var pair in _counts.Keys) Enqueue(pair);
        }

        public (int Left, int Right)? MostFrequent()
        {
            while (_heap.TryDequeue(out var top, out _))
                if (_counts.TryGetValue(top.Pair, out var count) && count == top.Count && count > 1) return top.Pair;
            return null;
        }

        public void Merge((int Left, int Right) pair, int token)
        {
            var changed = new HashSet<(int, int)>();
            foreach (var w in _places[pair])
            {
                var (tokens, count) = (_words[w].Tokens, _words[w].Count);
                for (var i = 0; i + 1 < tokens.Count; i++)
                {
                    if (tokens[i] != pair.Left || tokens[i + 1] != pair.Right) continue;
                    if (i > 0) Replace((tokens[i - 1], pair.Left), (tokens[i - 1], token));
                    if (i + 2 < tokens.Count) Replace((pair.Right, tokens[i + 2]), (token, tokens[i + 2]));
                    tokens[i] = token;
                    tokens.RemoveAt(i + 1);
                }

                void Replace((int, int) before, (int, int) after)
                {
                    Change(before, w, -count);
                    Change(after, w, count);
                    changed.Add(before);
                    changed.Add(after);
                }
            }

            _counts.Remove(pair);
            _places.Remove(pair);
            changed.Remove(pair);
            foreach (var other in changed) Enqueue(other);
        }

        private void Change((int, int) pair, int word, long by)
        {
            _counts[pair] = _counts.GetValueOrDefault(pair) + by;
            if (by <= 0) return;
            if (!_places.TryGetValue(pair, out var places)) _places[pair] = places = [];
            places.Add(word);
        }

        private void Enqueue((int Left, int Right) pair)
        {
            if (_counts[pair] > 1) _heap.Enqueue((pair, _counts[pair]), (-_counts[pair], pair.Left, pair.Right));
        }
    }
}
