using System.Text;
using Generated.Tokenization.Bpe;
using Generated.Tokenization.SentencePiece;

namespace Runtime.Tests.Tokenization;

/// <summary>The library's models behind this project's wraps, beside the plainest possible statement of what the originals do.</summary>
public sealed class MergerTests
{
    private static readonly string[] Letters = ["a", "b", "c", "é", "中", "😀", "𝔘", " ", "\u2581"];
    private static readonly string[] LettersAndUnknown = [.. Letters, "x", "\uFFFF", "\uFFFE", "🎈"];

    /// <summary>Why pieces and text are mirrored. If this fails because a newer library merges the leftmost first, take the mirrors away.</summary>
    [Fact]
    public void Library_OfEqualScores_MergesTheRightmostFirst()
    {
        (string Piece, float Score)[] pieces = [("a", -1), ("aa", 0)];
        var library = LibraryModel.Create(LibraryModel.Kind.Bpe, pieces.Select(p => (p.Piece, p.Score, false)), "test");
        Assert.Equal([0, 1], library.EncodeToIds("aaa"));
        Assert.Equal([1, 0], Merge(new PieceMerger(pieces.Select((p, id) => (p.Piece, p.Score, id)), "test"), "aaa"));
    }

    /// <summary>Sentencepiece's bpe_model.cc: of all neighbours that spell a piece, the best score, then the leftmost.</summary>
    [Fact]
    public void PieceMerger_RandomPieces_MergesAsSentencePieceDoes()
    {
        var random = new Random(20261125);
        for (int round = 0; round < 1500; round++)
        {
            // Few different scores, so that ties are common; single characters need not be pieces.
            var pieces = RandomTokens(random, 40).Select((piece, i) => (Piece: piece, Score: -(float)random.Next(1, 6), Id: 3 * i)).ToArray();
            var byText = pieces.ToDictionary(p => p.Piece);
            var merger = new PieceMerger(pieces, "test");
            for (int i = 0; i < 10; i++)
            {
                string text = RandomText(random, LettersAndUnknown, 30);
                var symbols = Reference(text, (left, right) => byText.TryGetValue(left + right, out var piece) ? -piece.Score : null);
                Assert.Equal(symbols.Select(s => byText.TryGetValue(s, out var piece) ? piece.Id : ~s.EnumerateRunes().Single().Value), Merge(merger, text));
            }
        }
    }

    /// <summary>Hugging Face's BPE: of all neighbours that are a listed pair, the first in the list, then the leftmost. Windows of a few characters change nothing.</summary>
    [Fact]
    public void PairMerger_RandomPairs_MergesAsHuggingFaceDoes()
    {
        var random = new Random(20261126);
        for (int round = 0; round < 1000; round++)
        {
            var (idOf, merges) = RandomMerges(random, 30);
            var ranks = merges.Select((pair, rank) => (pair, rank)).GroupBy(p => p.pair).ToDictionary(g => g.Key, g => (float)g.Last().rank);
            IMerger[] mergers = [new PairMerger(idOf, merges), new PairMerger(idOf, merges, firstWindow: 1), new PairMerger(idOf, merges, firstWindow: 5)];
            for (int i = 0; i < 10; i++)
            {
                string text = RandomText(random, LettersAndUnknown, i == 0 ? 200 : 30);
                var symbols = Reference(text, (left, right) => ranks.TryGetValue((left, right), out float rank) ? rank : null);
                int[] expected = [.. symbols.Select(s => idOf.TryGetValue(s, out int id) ? id : ~s.EnumerateRunes().Single().Value)];
                Assert.All(mergers, merger => Assert.Equal(expected, Merge(merger, text)));
            }
        }
    }

    [Theory]
    [InlineData(20_000, 1)]
    [InlineData(20_000, 2)]
    [InlineData(20_000, 9)]
    public void PairMerger_LongWord_IsTheSameInWindowsAndWhole(int length, int letters)
    {
        var random = new Random(letters);
        var (idOf, merges) = RandomMerges(random, 400);
        string text = RandomText(random, Letters[..letters], length);
        Assert.Equal(Merge(new PairMerger(idOf, merges, firstWindow: text.Length), text), Merge(new PairMerger(idOf, merges), text));
    }

    [Fact]
    public void Mergers_ManyThreads_GiveTheSame()
    {
        var random = new Random(4);
        var (idOf, merges) = RandomMerges(random, 200);
        IMerger[] mergers = [new PairMerger(idOf, merges, firstWindow: 50), new PieceMerger(idOf.Select(token => (token.Key, -(float)token.Value, token.Value)), "test")];
        string[] texts = [.. Enumerable.Range(0, 100).Select(_ => RandomText(random, LettersAndUnknown, 200))];
        foreach (var merger in mergers)
        {
            var expected = texts.Select(text => Merge(merger, text)).ToArray();
            Parallel.For(0, 20 * texts.Length, i => Assert.Equal(expected[i % texts.Length], Merge(merger, texts[i % texts.Length])));
        }
    }

    /// <summary>Sentencepiece's unigram_model.cc (EncodeOptimized), user-defined symbols and unknown characters included.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Unigram_RandomPieces_FindsTheBestPath(bool byteFallback)
    {
        var random = new Random(20261127);
        for (int round = 0; round < 300; round++)
        {
            var pieces = RandomTokens(random, 40).Select(piece => (piece, -(float)(random.NextDouble() * 20), random.Next(8) == 0 ? PieceKind.UserDefined : PieceKind.Normal)).ToArray();
            var model = SentencePieceModel.Parse(TokenizerFixtures.UnigramModel(pieces, byteFallback), "test");
            var unigram = new UnigramModel(model, [.. model.Pieces.Select(piece => Encoding.UTF8.GetString(piece))]);
            for (int i = 0; i < 10; i++)
            {
                string text = RandomText(random, LettersAndUnknown, 30);
                var ids = new List<int>();
                unigram.Encode(Encoding.UTF8.GetBytes(text), ids);
                Assert.Equal(BestPath(model, Encoding.UTF8.GetBytes(text)), ids);
            }
        }
    }

    private static List<int> BestPath(SentencePieceModel model, byte[] text)
    {
        var normal = Enumerable.Range(0, model.Pieces.Count).Where(id => model.Kinds[id] == PieceKind.Normal).Select(id => model.Scores[id]).ToArray();
        var best = new (float Score, int Start, int Id)[text.Length + 1];
        Array.Fill(best, (0, -1, -1), 1, text.Length);
        void Improve(int end, float score, int start, int id)
        {
            if (best[end].Start < 0 || score > best[end].Score)
                best[end] = (score, start, id);
        }
        for (int start = 0; start < text.Length; start += Generated.Tokenization.Text.Utf8.CharacterLength(text.AsSpan(start)))
        {
            int characterEnd = start + Generated.Tokenization.Text.Utf8.CharacterLength(text.AsSpan(start));
            bool isKnown = false;
            for (int end = start + 1; end <= text.Length; end++)
            {
                int id = model.Pieces.FindIndex(piece => piece.AsSpan().SequenceEqual(text.AsSpan(start, end - start)));
                if (id < 0 || model.Kinds[id] is not (PieceKind.Normal or PieceKind.UserDefined))
                    continue;
                float score = model.Kinds[id] == PieceKind.UserDefined ? (float)((end - start) * normal.Max() - 0.1) : model.Scores[id];
                Improve(end, score + best[start].Score, start, id);
                isKnown |= end == characterEnd;
            }
            if (!isKnown)
                Improve(characterEnd, normal.Min() - 10 + best[start].Score, start, model.UnknownId);
        }
        var path = new List<int>();
        for (int end = text.Length; end > 0; end = best[end].Start)
        {
            if (best[end].Id != model.UnknownId)
                path.Add(best[end].Id);
            else if (model.ByteFallback)
                path.AddRange(text[best[end].Start..end].Reverse().Select(b => model.IdOfByte[b]));
            else if (path.Count == 0 || path[^1] != model.UnknownId)
                path.Add(model.UnknownId);
        }
        path.Reverse();
        return path;
    }

    /// <summary>Merges neighbours one pair at a time, always that of the lowest rank and among those the leftmost.</summary>
    private static List<string> Reference(string text, Func<string, string, float?> rankOf)
    {
        var symbols = text.EnumerateRunes().Select(rune => rune.ToString()).ToList();
        while (true)
        {
            var ranks = Enumerable.Range(0, Math.Max(0, symbols.Count - 1)).Select(i => rankOf(symbols[i], symbols[i + 1])).ToArray();
            if (ranks.Min() is not { } lowest)
                return symbols;
            int at = Array.FindIndex(ranks, rank => rank == lowest);
            symbols[at] += symbols[at + 1];
            symbols.RemoveAt(at + 1);
        }
    }

    private static List<int> Merge(IMerger merger, string text)
    {
        var ids = new List<int>();
        merger.Merge(text, ids);
        return ids;
    }

    private static string RandomText(Random random, string[] letters, int longest)
        => string.Concat(Enumerable.Range(0, longest < 1000 ? random.Next(1, longest) : longest).Select(_ => letters[random.Next(letters.Length)]));

    private static string[] RandomTokens(Random random, int count)
        => [.. Enumerable.Range(0, count).Select(_ => RandomText(random, Letters, 6)).Distinct()];

    /// <summary>Every letter, and tokens that merging earlier ones makes; some pairs twice.</summary>
    private static (Dictionary<string, int> IdOf, List<(string Left, string Right)> Merges) RandomMerges(Random random, int count)
    {
        var tokens = new List<string>(Letters);
        var merges = new List<(string Left, string Right)>();
        for (int i = 0; i < count; i++)
        {
            var pair = i > 0 && random.Next(10) == 0 ? merges[random.Next(i)] : (tokens[random.Next(tokens.Count)], tokens[random.Next(tokens.Count)]);
            merges.Add(pair);
            tokens.Add(pair.Item1 + pair.Item2);
        }
        merges = [.. merges.OrderBy(_ => random.Next())];
        return (tokens.Distinct().Select((token, id) => (token, id)).ToDictionary(p => p.token, p => 2 * p.id), merges);
    }
}
