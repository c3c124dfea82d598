using Generated.Tokenization;
using Generated.Tokenization.Learning;

namespace Runtime.Tests.Tokenization;

public sealed class BpeTrainerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Train_OnRepeatedWord_MergesItIntoOneToken()
    {
        var vocabulary = BpeTrainer.Train(string.Concat(Enumerable.Repeat(" hello", 50)) + " help", 262, ["<s>"]);
        vocabulary.Save(_folder);
        var tokenizer = TokenizerLoader.Load(_folder);

        // " hello" takes five merges: " h", "el", … whatever their order, the word ends as one token.
        Assert.Single(tokenizer.Encode(" hello"));
        Assert.Equal(262, tokenizer.VocabSize);
        Assert.Equal(0, tokenizer.BosId);
    }

    [Theory]
    [InlineData("The quick brown fox, naïve café — 東京 🙂\n\ttabs  and   spaces")]
    [InlineData("")]
    [InlineData("\0\u0001 control")]
    public void Train_ThenEncodeAnything_DecodesToTheSame(string text)
    {
        BpeTrainer.Train("the cat and the hat and the bat", 280, ["<s>", "</s>"]).Save(_folder);
        var tokenizer = TokenizerLoader.Load(_folder);
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
    }

    [Fact]
    public void Train_Twice_GivesTheSameFiles()
    {
        var text = "a rose is a rose is a rose, said the roses to the rows of roses";
        BpeTrainer.Train(text, 290, ["<s>"]).Save(Path.Combine(_folder, "a"));
        BpeTrainer.Train(text, 290, ["<s>"]).Save(Path.Combine(_folder, "b"));
        Assert.Equal(File.ReadAllText(Path.Combine(_folder, "a", "tokenizer.json")), File.ReadAllText(Path.Combine(_folder, "b", "tokenizer.json")));
    }

    [Fact]
    public void Train_MatchesAPlainCountOverAllPairs()
    {
        var text = "low lower lowest new newer newest wide wider widest low low new";
        var words = System.Text.RegularExpressions.Regex.Matches(text, @" ?\w+").Select(m => m.Value.Select(c => c.ToString()).ToList()).ToList();
        var expected = new List<string>();
        for (var merge = 0; merge < 12; merge++)
        {
            var counts = new Dictionary<(string, string), int>();
            foreach (var word in words)
                for (var i = 0; i + 1 < word.Count; i++) counts[(word[i], word[i + 1])] = counts.GetValueOrDefault((word[i], word[i + 1])) + 1;
            var most = counts.Values.Max();
            var ties = counts.Where(c => c.Value == most).Select(c => c.Key).ToList();
            var (left, right) = ties.OrderBy(t => Order(t.Item1)).ThenBy(t => Order(t.Item2)).First();
            expected.Add(left + right);
            foreach (var word in words)
                for (var i = 0; i + 1 < word.Count; i++)
                    if (word[i] == left && word[i + 1] == right) { word[i] = left + right; word.RemoveAt(i + 1); }
        }

        BpeTrainer.Train(text, 256 + 12, []).Save(_folder);
        using var json = System.Text.Json.JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder, "tokenizer.json")));
        var merges = json.RootElement.GetProperty("model").GetProperty("merges").EnumerateArray()
            .Select(m => m.GetString()!.Replace(" ", "").Replace('Ġ', ' ')).ToList();
        Assert.Equal(expected, merges);

        // A byte's id is its value, a merged token's follows from when it was made.
        int Order(string token) => token.Length == 1 ? token[0] : 256 + expected.IndexOf(token);
    }

    [Fact]
    public void Train_WithTooSmallVocabulary_SaysWhatIsNeeded() =>
        Assert.Contains("258", Assert.Throws<Generated.InvalidInputException>(() => BpeTrainer.Train("x", 257, ["<s>", "</s>"])).Message);
}
