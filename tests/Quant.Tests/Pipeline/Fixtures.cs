using System.Text.Json;
using Generated.Checkpoints;
using Generated.Passes;
using Generated.Verification;
using TorchSharp;

namespace Quant.Tests.Pipeline;

/// <summary>Tiny checkpoints of every family, with random rows of tokens in the form that each family takes.</summary>
internal static class Fixtures
{
    private const int FirstSpecial = 300;

    public static readonly string[] Names =
    [
        "llama", "llama2-gqa", "llama-bf16-sharded", "chatglm", "chatglm-untied", "chatglm2", "bloom", "gpt", "opt", "opt-postln", "glm", "qwen", "qwen2",
        "baichuan-7b", "baichuan-13b", "baichuan2-7b",
    ];

    /// <summary>The recorded inputs of a fixture.</summary>
    public static TokenBatch Recorded(string name)
    {
        using var golden = Checkpoint.Open(Path.Combine(Stories.Fixture(name), "golden.safetensors"));
        var inputs = new GoldenInputs(golden);
        return inputs.Batch(0, inputs.Rows);
    }

    /// <summary>Rows like the first recorded one: its special tokens where they were, the others random.</summary>
    public static int[][] Rows(string name, int count, int seed = 0)
    {
        var recorded = Recorded(name);
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(Stories.Fixture(name), "config.json")));
        var special = config.RootElement.EnumerateObject().Where(p => p.Name.EndsWith("_token_id", StringComparison.Ordinal) && p.Value.ValueKind == JsonValueKind.Number)
            .Select(p => p.Value.GetInt32()).Concat(Enumerable.Range(FirstSpecial, 100)).ToHashSet();
        var vocabulary = config.RootElement.TryGetProperty("padded_vocab_size", out var padded) ? padded.GetInt32() : config.RootElement.GetProperty("vocab_size").GetInt32();
        var ordinary = Enumerable.Range(4, Math.Min(FirstSpecial, vocabulary) - 4).Where(id => !special.Contains(id)).ToArray();
        var random = new Random(seed);
        var pattern = Enumerable.Range(0, recorded.Length).Where(c => recorded.IsReal(0, c)).Select(c => (int)recorded[0, c]).ToArray();
        return [.. Enumerable.Range(0, count).Select(_ => pattern.Select(id => special.Contains(id) ? id : ordinary[random.Next(ordinary.Length)]).ToArray())];
    }

    /// <summary>Such rows as a calibration file.</summary>
    public static string Calibration(string name, TemporaryFolder folder, int count = 48)
    {
        var path = folder["calibration.jsonl"];
        File.WriteAllLines(path, Rows(name, count).Select(row => $"{{\"ids\": [{string.Join(", ", row)}]}}"));
        return path;
    }

    /// <summary>Logits of some rows, float32 on the host.</summary>
    public static torch.Tensor Logits(Generated.Architectures.CausalModel model, TokenBatch batch)
    {
        using var noGrad = torch.no_grad();
        using var pass = new PassContext(model.Inputs.Prompt(batch));
        using var ids = batch.ToTensor(model.Device);
        return model.Full(ids, pass);
    }

    /// <summary>Logits behind a row and behind each of some more tokens, by one full pass, and by a prefill of the row and decode steps.</summary>
    public static (torch.Tensor Full, torch.Tensor Steps) BothPaths(Generated.Architectures.CausalModel model, int[] row, int[] more)
    {
        using var noGrad = torch.no_grad();
        var full = Logits(model, TokenBatch.LeftPadded([[.. row, .. more]], 0)).narrow(1, row.Length - 1, more.Length + 1);
        using var cache = model.NewCache(1, row.Length + more.Length);
        var inputs = model.Inputs.Prompt(TokenBatch.LeftPadded([row], 0));
        var logits = new List<torch.Tensor>();
        using (var pass = new PassContext(inputs, cache))
            logits.Add(model.Prefill(TokenBatch.LeftPadded([row], 0).ToTensor(model.Device), pass));
        foreach (var token in more)
        {
            inputs = model.Inputs.Continue(inputs);
            using var pass = new PassContext(inputs, cache);
            logits.Add(model.Decode(TokenBatch.LeftPadded([[token]], 0).ToTensor(model.Device), pass));
        }

        return (full, torch.cat(logits, 1));
    }

    /// <summary>‖a − b‖ / ‖b‖.</summary>
    public static double Distance(torch.Tensor actual, torch.Tensor expected) =>
        ((actual - expected).norm() / expected.norm()).item<float>();
}
