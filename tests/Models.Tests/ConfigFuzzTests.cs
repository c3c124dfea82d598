using FsCheck.Xunit;
using Generated;
using Generated.Configuration;
using Generated.Loading;

namespace Models.Tests;

/// <summary>Damaged configs of every family's checkpoint: read, or refused by a sentence that names the file; nothing else.</summary>
public sealed class ConfigFuzzTests
{
    private const int PerSeed = 1000;

    private static readonly string[] Values =
        ["null", "-1", "0", "1", "3", "2147483647", "2147483648", "1e999", "-0.0", "1e-400", "\"\"", "\"4\"", "true", "[]", "[1, -2]", "{}", "{\"type\": \"linear\", \"factor\": 0}"];

    private static readonly string[] Configs =
        [.. Directory.EnumerateFiles(Fixtures.Folder(""), "config.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(File.ReadAllText)];

    [Property(MaxTest = 25)]
    public void DamagedConfig_IsReadOrRefused(int seed)
    {
        var random = new Random(seed);
        var refused = 0;
        for (var round = 0; round < PerSeed; round++)
        {
            var text = Damage(random, Configs[random.Next(Configs.Length)]);
            try
            {
                var (architecture, config) = ModelLoader.ReadConfig(ConfigReader.Parse(System.Text.Encoding.UTF8.GetBytes(text), "config.json"));
                Assert.NotEmpty(architecture.TensorsOf(config).Take(50));
                Assert.NotEmpty(architecture.StructureOf(config).Linears);
            }
            catch (InvalidInputException e)
            {
                Assert.StartsWith("config.json", e.Message);
                refused++;
            }
            catch (Exception e) when (e is not Xunit.Sdk.XunitException)
            {
                throw new InvalidOperationException($"Round {round} of seed {seed}: {text}", e);
            }
        }

        Assert.InRange(refused, PerSeed / 10, PerSeed - (PerSeed / 20));
    }

    /// <summary>Gives some keys other values, drops some, and now and then breaks the text itself.</summary>
    private static string Damage(Random random, string text)
    {
        var lines = text.Split('\n').ToList();
        for (var count = random.Next(1, 4); count > 0; count--)
        {
            var at = random.Next(lines.Count);
            var colon = lines[at].IndexOf(':', StringComparison.Ordinal);
            switch (random.Next(8))
            {
                case 0: lines.RemoveAt(at); break;
                case 1: lines.Insert(at, lines[random.Next(lines.Count)]); break;
                case 2 when lines[at].Length > 0: lines[at] = lines[at].Remove(random.Next(lines[at].Length), 1); break;
                default:
                    if (colon > 0) lines[at] = $"{lines[at][..colon]}: {Values[random.Next(Values.Length)]}{(lines[at].TrimEnd().EndsWith(',') ? "," : "")}";
                    break;
            }
        }

        return string.Join('\n', lines);
    }
}
