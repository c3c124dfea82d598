using System.CommandLine;
using Generated.Checkpoints;
using Generated.Verification;
using TorchSharp;

namespace Generated.Cli.Commands;

/// <summary><c>generated verify</c>: a checkpoint against what its original implementation gave.</summary>
internal static class VerifyCommand
{
    public static Command Create(Terminal terminal)
    {
        var directory = new Argument<string>("dir") { Description = "Checkpoint folder." };
        var golden = new Option<string>("--golden") { Description = "safetensors file with input_ids and the recorded logits, hidden.N, greedy_tokens, loss, grad.NAME.", Required = true, HelpName = "file" };
        var absolute = new Option<double>("--atol") { Description = "Absolute tolerance: |a-b| <= atol + rtol*|b|.", DefaultValueFactory = _ => 1e-4, HelpName = "x" };
        var relative = new Option<double>("--rtol") { Description = "Relative tolerance.", DefaultValueFactory = _ => 1e-3, HelpName = "x" };
        var idsOnly = new Option<bool>("--default") { Description = "Compares default.*: the model called with the ids alone, without recorded mask and positions." };
        var model = new ModelOptions(torch.ScalarType.Float32);
        var command = new Command("verify", "Compares a checkpoint with recorded values; prints one JSON object per value.") { directory, golden, absolute, relative, idsOnly };
        model.AddTo(command);
        command.SetAction((parse, _) => OffThread.Run(() => model.OnRanks(parse, terminal, (group, output) =>
        {
            var (atol, rtol) = (parse.NotNegative(absolute), parse.NotNegative(relative));
            using var file = Checkpoint.Open(parse.GetRequiredValue(golden));
            using var loaded = model.Load(parse, output, parse.GetRequiredValue(directory), group);
            var verifier = new Verifier(loaded, file, atol, rtol, parse.GetValue(idsOnly));
            // Written when the bar has gone: both may be on one screen.
            var results = output.WithProgress("Comparing", progress => Run(verifier, Values(file, parse.GetValue(idsOnly)), progress));
            foreach (var result in results)
                Write(output, result);
            var failed = results.FindAll(result => !result.IsOk);
            if (failed.Count == 0)
                return CommandLine.Success;
            var note = failed[0].Note is { } text ? $" ({text})" : "";
            output.Fail($"{failed.Count} of the recorded values differ, the first is '{failed[0].Name}'{note}.");
            return CommandLine.Failed;
        })));
        return Help.WithExamples(command,
            "verify ./llama --golden golden.safetensors",
            "verify ./chatglm --golden golden.safetensors --variant inv_freq_fp32",
            "verify ./llama --golden golden.safetensors --device cuda --dtype bfloat16 --atol 0.05 --rtol 0.05");
    }

    internal static List<Comparison> Run(Verifier verifier, int expected, IProgress<double> progress)
    {
        var results = new List<Comparison>();
        foreach (var result in verifier.Run())
        {
            results.Add(result);
            progress.Report(Math.Min(1, (double)results.Count / Math.Max(1, expected)));
        }

        return results;
    }

    /// <summary>About the number of results: recorded values, of which a variant replaces some.</summary>
    internal static int Values(ITensorSource golden, bool idsOnly)
    {
        var prefix = idsOnly ? "default." : "";
        return golden.Tensors.Keys.Count(name => name.StartsWith(prefix, StringComparison.Ordinal) && IsValue(name[prefix.Length..]));

        static bool IsValue(string name) =>
            name is "logits" or "loss" || new[] { "greedy_tokens", "hidden.", "grad." }.Any(start => name.StartsWith(start, StringComparison.Ordinal));
    }

    private static void Write(Terminal terminal, Comparison result) => terminal.WriteJson(json =>
    {
        ComparisonJson.Write(json, result, relative: true);
        if (result.Note is { } note)
            json.WriteString("note", note);
    });
}
