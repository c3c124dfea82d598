using Generated;
using Generated.Evaluation;
using Generated.Passes;
using Generated.Quant.Calibration;
using Generated.Tokenization;
using Quant.Tests.Pipeline;
using TorchSharp;

namespace Quant.Tests.Calibration;

/// <summary>Calibration files: windows as evaluation cuts them, every form of row, padding that nothing sees.</summary>
public sealed class CalibrationFileTests
{
    private static readonly ITokenizer Tokenizer = TokenizerLoader.Load(Stories.Demo);

    [Theory]
    [InlineData(0, 0.2)]
    [InlineData(0.1, 0.35)]
    [InlineData(0, 1)]
    public void Text_IsCutAsEvaluationCuts(double from, double to)
    {
        using var folder = new TemporaryFolder();
        var text = string.Concat(Enumerable.Range(0, 400).Select(i => $"Line {i} of a story about a llama. "));
        var (calibration, heldOut) = Read(folder, "a.txt", text, new CalibrationOptions { From = from, To = to, Window = 64 });
        var bos = Tokenizer.BosId ?? Tokenizer.EosIds[0];
        var windows = new TextWindows(Tokenizer.Encode(text), 64, from, to);
        Assert.Equal(Enumerable.Range(0, windows.Count).Select(i => windows.Window(i, bos)), calibration.Rows);
        if (to < 1)
        {
            var rest = new TextWindows(Tokenizer.Encode(text), 64, to, 1);
            Assert.Equal(Enumerable.Range(0, rest.Count).Select(i => rest.Window(i, bos)), heldOut!.Rows);
        }
        else
            Assert.Null(heldOut);
    }

    [Fact]
    public void Documents_BeginRowsOfTheirOwn_OrArePacked()
    {
        using var folder = new TemporaryFolder();
        const string lines = """
            {"text": "Once upon a time."}

            {"src": "Who was there?", "tgt": "A llama."}
            {"src": ["a", "b"], "tgt": ["c", "d"]}
            {"ids": [5, 6, 7]}
            """;
        var rows = Read(folder, "a.jsonl", lines, new CalibrationOptions { To = 1 }).Calibration.Rows;
        var bos = Tokenizer.BosId ?? Tokenizer.EosIds[0];
        var eos = Tokenizer.EosIds[0];
        Assert.Equal(4, rows.Count);
        Assert.Equal([bos, .. Tokenizer.Encode("Once upon a time.")], rows[0]);
        Assert.Equal([bos, .. Tokenizer.Encode("Who was there?"), .. Tokenizer.Encode("A llama."), eos], rows[1]);
        Assert.Equal([bos, .. Tokenizer.Encode("a"), .. Tokenizer.Encode("c"), eos, .. Tokenizer.Encode("b"), .. Tokenizer.Encode("d"), eos], rows[2]);
        Assert.Equal([5, 6, 7], rows[3]);

        const string texts = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n";
        var packed = Read(folder, "b.jsonl", texts, new CalibrationOptions { To = 1, Pack = true }).Calibration.Rows;
        Assert.Equal([bos, .. Tokenizer.Encode("one"), eos, .. Tokenizer.Encode("two"), eos], Assert.Single(packed));
    }

    [Fact]
    public void LongAnswer_LosesItsEnd_LongPromptItsBeginning()
    {
        using var folder = new TemporaryFolder();
        var (prompt, answer) = (string.Concat(Enumerable.Repeat("prompt ", 50)), string.Concat(Enumerable.Repeat("answer ", 50)));
        var row = Read(folder, "a.jsonl", $"{{\"src\": \"{prompt}\", \"tgt\": \"{answer}\"}}", new CalibrationOptions { To = 1, Window = 33 }).Calibration.Rows.Single();
        Assert.Equal(33, row.Length);
        Assert.Equal(Tokenizer.Encode(prompt).TakeLast(16), row[1..17]);
        Assert.Equal(Tokenizer.Encode(answer).Take(16), row[17..]);
    }

    [Fact]
    public void TokenFile_WithAMask_GivesTheRealTokens()
    {
        var (recorded, path) = (Fixtures.Recorded("llama"), Path.Combine(Stories.Fixture("llama"), "golden.safetensors"));
        var rows = new CalibrationFile(path, null, null, CausalInputs.Instance, 320, new CalibrationOptions { To = 1 }).Read().Calibration.Rows;
        Assert.Equal(recorded.Rows, rows.Count);
        for (var row = 0; row < rows.Count; row++)
            Assert.Equal(Enumerable.Range(0, recorded.Length).Where(c => recorded.IsReal(row, c)).Select(c => (int)recorded[row, c]), rows[row]);
    }

    [Theory]
    [InlineData("{\"text\": 3}", "line 1", "none of")]
    [InlineData("{\"ids\": [1, 99999]}", "line 1", "99999")]
    [InlineData("{\"text\": \"a\"}\n{", "line 2", "no JSON")]
    [InlineData("[1]", "line 1", "object")]
    [InlineData("", "0 rows", "leaves none")]
    public void DamagedFile_IsRefused_WithTheLine(string content, params string[] parts)
    {
        using var folder = new TemporaryFolder();
        var refusal = Assert.Throws<InvalidInputException>(() => Read(folder, "a.jsonl", content, new CalibrationOptions { To = 1 }));
        Assert.All(parts, part => Assert.Contains(part, refusal.Message));
    }

    [Fact]
    public void Text_WithoutATokenizer_SaysWhatNeedsNone()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["a.txt"], "text");
        var refusal = Assert.Throws<InvalidInputException>(() => new CalibrationFile(folder["a.txt"], null, "There is none.", CausalInputs.Instance, 320, new CalibrationOptions()).Read());
        Assert.Contains("\"ids\"", refusal.Message);
    }

    [Fact]
    public void Hash_DependsOnTheTokens_AndOnNothingElse()
    {
        var rows = new[] { new[] { 1, 2, 3 }, [4, 5] };
        Assert.Equal(new CalibrationSet(rows, 2048).Hash, new CalibrationSet(rows, 3).Hash);
        Assert.NotEqual(new CalibrationSet(rows, 2048).Hash, new CalibrationSet([[1, 2], [3, 4, 5]], 2048).Hash);
    }

    [Fact]
    public void MoreRowsThanAllowed_AreTakenEvenlySpaced()
    {
        using var folder = new TemporaryFolder();
        var lines = string.Join('\n', Enumerable.Range(0, 10).Select(i => $"{{\"ids\": [{i + 5}]}}"));
        var rows = Read(folder, "a.jsonl", lines, new CalibrationOptions { To = 1, MaxRows = 4 }).Calibration.Rows;
        Assert.Equal([5, 7, 10, 12], rows.Select(row => row[0]));
    }

    /// <summary>PaddleSlim's samplers take padding for tokens (shared/reference/paddle.md, 4f 5).</summary>
    [Fact]
    public void Defect05_PaddedTokens_EnterNoStatistic()
    {
        var batch = new CalibrationSet([[1, 2, 3, 4], [5, 6]], 2048).Batches.Single();
        using var scope = torch.NewDisposeScope();
        var values = torch.arange(8, torch.float32).reshape(2, 4, 1);
        values[1, 0, 0] = 1e9f; // padding
        values[1, 1, 0] = float.NaN;
        using var tokens = new RealTokens(batch);
        Assert.Equal([0, 1, 2, 3, 6, 7], tokens.Of(values).data<float>().ToArray());
        Assert.Equal([[0, 1, 2, 3], [6, 7]], tokens.BySequence(values).Select(s => s.data<float>().ToArray()).ToArray());
        var statistics = new ChannelStatistics(1);
        statistics.Add(tokens.Of(values));
        Assert.Equal((0f, 7f, 6L), (statistics.Min[0], statistics.Max[0], statistics.Tokens));
    }

    private static (CalibrationSet Calibration, CalibrationSet? HeldOut) Read(TemporaryFolder folder, string name, string content, CalibrationOptions options)
    {
        File.WriteAllText(folder[name], content);
        return new CalibrationFile(folder[name], Tokenizer, null, CausalInputs.Instance, 4096, options).Read();
    }
}
