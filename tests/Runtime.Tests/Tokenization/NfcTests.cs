using System.Text.Json;
using Generated.Tokenization.Text;

namespace Runtime.Tests.Tokenization;

public sealed class NfcTests
{
    /// <summary>nfc.jsonl: [text, NFC(text)] by Python's unicodedata 14.0: every canonical decomposition, and random sequences with marks and jamo.</summary>
    [Fact]
    public void Normalize_RecordedByPython_Agrees()
    {
        int rows = 0;
        foreach (string line in File.ReadLines(TokenizerFixtures.Path("nfc.jsonl")))
        {
            string[] row = JsonSerializer.Deserialize<string[]>(line)!;
            Assert.Equal(Escape(row[1]), Escape(Nfc.Normalize(row[0])));
            Assert.Equal(Escape(row[1]), Escape(Nfc.Normalize(row[1])));
            Assert.Equal(Escape("1" + row[1] + "\u4E2D"), Escape(Nfc.Normalize("1" + row[0] + "\u4E2D")));
            rows++;
        }
        Assert.Equal(4248, rows);
    }

    [Theory]
    [InlineData("")]
    [InlineData("plain ASCII, and caf\u00E9")]
    [InlineData("\u4E2D\u6587\uFF0C\u6D4B\u8BD5")]
    [InlineData("half a pair \uD83D here")]
    public void Normalize_AlreadyComposed_IsUnchanged(string text) => Assert.Equal(text, Nfc.Normalize(text));

    private static string Escape(string text) => string.Join(' ', text.Select(c => $"{(int)c:X4}"));
}
