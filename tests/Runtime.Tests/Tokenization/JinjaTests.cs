using System.Text.Json;
using FsCheck.Xunit;
using Generated;
using Generated.Tokenization.Chat;
using Generated.Tokenization.Chat.Jinja;

namespace Runtime.Tests.Tokenization;

public sealed class JinjaTests
{
    /// <summary>
    /// jinja.jsonl: templates and values with what Jinja2 3.1.2 made of them under Hugging Face's settings (sandbox, trim_blocks,
    /// lstrip_blocks, loop controls, its tojson and raise_exception); an "error" means that it refused.
    /// </summary>
    [Fact]
    public void Render_RecordedByJinja2_Agrees()
    {
        int rows = 0, refusals = 0;
        var wrong = new List<string>();
        foreach (string line in File.ReadLines(TokenizerFixtures.Path("jinja.jsonl")))
        {
            using var row = JsonDocument.Parse(line);
            string template = row.RootElement.GetProperty("template").GetString()!;
            var variables = (Dict)Values.FromJson(row.RootElement.GetProperty("variables"))!;
            string actual;
            try
            {
                actual = ChatTemplate.Parse(template).Render(variables);
            }
            catch (InvalidInputException refused)
            {
                Assert.Contains("line ", refused.Message, StringComparison.Ordinal);
                actual = "(refused) " + refused.Message;
            }
            bool expectsRefusal = row.RootElement.TryGetProperty("error", out _);
            refusals += expectsRefusal ? 1 : 0;
            bool agrees = expectsRefusal ? actual.StartsWith("(refused)", StringComparison.Ordinal) : actual == row.RootElement.GetProperty("output").GetString();
            if (!agrees)
                wrong.Add($"{row.RootElement.GetProperty("name").GetString()}:\nexpected {(expectsRefusal ? "a refusal" : row.RootElement.GetProperty("output").GetString())}\nactual   {actual}");
            rows++;
        }
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {rows} differ:\n{string.Join("\n", wrong)}");
        Assert.True(rows > 300 && refusals > 20, $"{rows} rows, {refusals} refusals");
    }

    [Theory]
    [InlineData("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "too many steps")]
    [InlineData("{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' * 100000000 }}", "too long")]
    [InlineData("{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}", "too deeply")]
    [InlineData("{{ range(1000000) }}", "100000")]
    [InlineData("{{ 9223372036854775807 + 1 }}", "too large")]
    [InlineData("{{ 99 ** 99 }}", "too large")]
    public void Render_Hostile_IsStopped(string template, string said)
        => Assert.Contains(said, Assert.Throws<JinjaException>(() => ChatTemplate.Parse(template).Render([])).Message, StringComparison.Ordinal);

    [Fact]
    public void Parse_DeepNesting_IsRefused()
    {
        foreach (string nested in new[] { new string('(', 5000), new string('[', 5000), string.Concat(Enumerable.Repeat("not ", 5000)), new string('-', 5000), string.Concat(Enumerable.Repeat("1 if ", 5000)) })
            Assert.Throws<JinjaException>(() => ChatTemplate.Parse("{{ " + nested));
        Assert.Throws<JinjaException>(() => ChatTemplate.Parse(string.Concat(Enumerable.Repeat("{% if 1 %}", 5000))));
    }

    [Property(MaxTest = 3000)]
    public void Parse_MutatedTemplate_RendersOrIsRefused(int seed)
    {
        var random = new Random(seed);
        var text = new System.Text.StringBuilder(Samples[random.Next(Samples.Length)]);
        for (int edits = random.Next(1, 4); edits > 0 && text.Length > 1; edits--)
        {
            int at = random.Next(text.Length);
            if (random.Next(2) == 0)
                text.Remove(at, 1);
            else
                text.Insert(at, "{}%#[]()|.-'\" ,:=+*\n"[random.Next(20)]);
        }
        try
        {
            ChatTemplate.Parse(text.ToString()).Render([new ChatMessage("user", "Hi"), new ChatMessage("assistant", "Yes")], true);
        }
        catch (InvalidInputException)
        {
            // A clear refusal; anything else fails the test.
        }
    }

    [Fact]
    public void FormatTime_Directives_AreThoseOfStrftime()
        => Assert.Equal("05 Mar 2024 Tuesday 14:07:09 100%", Functions.FormatTime(new DateTime(2024, 3, 5, 14, 7, 9), "%d %b %Y %A %H:%M:%S 100%%", 1));

    private static readonly string[] Samples = [.. File.ReadLines(TokenizerFixtures.Path("jinja.jsonl"))
        .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("template").GetString()!).Distinct()];
}
