using System.Text;
using FsCheck.Xunit;
using Generated;
using Generated.Configuration;

namespace Runtime.Tests.Configuration;

/// <summary>Damaged and hostile configs: a value, or a refusal that names the file; nothing else.</summary>
public sealed class ConfigFuzzTests
{
    private const int PerSeed = 1000;

    private static readonly string[] Keys =
        ["model_type", "hidden_size", "rms_norm_eps", "rope_scaling", "rope_scaling.factor", "rope_scaling.type.x", "eos_token_id", "architectures", "tie_word_embeddings"];

    private static readonly byte[] Seed = Encoding.UTF8.GetBytes("""
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "rms_norm_eps": 1e-06, "eos_token_id": [1, 2],
         "rope_scaling": {"type": "linear", "factor": 2.0, "long": [1.0, 2.5]}, "tie_word_embeddings": false, "x": "\u00e9\ud83d\ude00"}
        """);

    private static readonly string[] Fragments =
        ["null", "-1", "1e999", "99999999999999999999", "{", "}", "[", "]", "\"", "\\ud800", "\\u0000", ":", ",", "true", "0.5", "\"1e-5\"", "\u00ff"];

    [Property(MaxTest = 40)]
    public void MutatedConfig_GivesAValueOrANamedRefusal(int seed)
    {
        var random = new Random(seed);
        var refused = 0;
        for (var round = 0; round < PerSeed; round++)
        {
            var bytes = Mutate(random);
            try
            {
                UseEverything(ConfigReader.Parse(bytes, "config.json"));
            }
            catch (InvalidInputException e)
            {
                refused++;
                Assert.StartsWith("config.json", e.Message);
                Assert.True(e.Message.Length < 1000, e.Message);
            }
        }

        Assert.InRange(refused, 1, PerSeed - 1);
    }

    private static void UseEverything(ConfigReader config)
    {
        Attempt(() => _ = new ConfigWriter(config).ToJson());
        foreach (var key in Keys)
        {
            Attempt(() => config.Has(key));
            Attempt(() => config.Int(key));
            Attempt(() => config.Size(key));
            Attempt(() => config.Long(key));
            Attempt(() => config.Double(key));
            Attempt(() => config.Bool(key));
            Attempt(() => config.String(key));
            Attempt(() => config.IntArray(key));
            Attempt(() => config.StringArray(key));
            Attempt(() => config.Object(key)?.Double("factor"));
            Attempt(() => config.Require(false, key, "is refused"));
        }
    }

    private static void Attempt(Action act)
    {
        try
        {
            act();
        }
        catch (InvalidInputException e)
        {
            Assert.StartsWith("config.json", e.Message);
        }
    }

    private static byte[] Mutate(Random random)
    {
        var bytes = Seed.ToList();
        for (var n = random.Next(1, 4); n > 0 && bytes.Count > 0; n--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(5))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 20), bytes.Count - at));
                    break;
                case 2:
                    bytes.InsertRange(at, Encoding.UTF8.GetBytes(Fragments[random.Next(Fragments.Length)]));
                    break;
                case 3:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                default:
                    var length = Math.Min(random.Next(1, 40), bytes.Count - at);
                    bytes.InsertRange(random.Next(bytes.Count), bytes.GetRange(at, length));
                    break;
            }
        }

        return [.. bytes];
    }
}
