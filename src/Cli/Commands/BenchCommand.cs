using System.CommandLine;
using System.Diagnostics;
using Generated.Architectures;
using Generated.Cli.Inspection;
using Generated.Layers;
using Generated.Passes;
using Generated.Verification;
using TorchSharp;

namespace Generated.Cli.Commands;

/// <summary><c>generated bench</c>: prefill and decode speed of a shape with random weights, without any checkpoint.</summary>
internal static class BenchCommand
{
    private const int CheckedSteps = 16;

    public static Command Create(Terminal terminal)
    {
        var shape = new Argument<string>("config") { Description = "config.json, checkpoint folder or a preset's name; weights are random." };
        var prompt = new Option<int>("--prompt") { Description = "Tokens of the prompt.", DefaultValueFactory = _ => 512, HelpName = "n" };
        var tokens = new Option<int>("--tokens") { Description = "Tokens to decode.", DefaultValueFactory = _ => 64, HelpName = "n" };
        var batch = new Option<int>("--batch") { Description = "Rows.", DefaultValueFactory = _ => 1, HelpName = "n" };
        var rounds = new Option<int>("--rounds") { Description = "Timed rounds; the best counts.", DefaultValueFactory = _ => 3, HelpName = "n" };
        var threads = new Option<int?>("--threads") { Description = "CPU threads of libtorch.", HelpName = "n" };
        var check = new Option<bool>("--check") { Description = "First compares full pass, prefill and decode with the eager run of the declaration; exit code 1 where they differ." };
        var options = new ModelOptions(torch.ScalarType.Float32);
        var command = new Command("bench", "Measures prefill and decode speed of a shape with random weights.") { shape, prompt, tokens, batch, rounds, threads, check };
        options.AddTo(command, ranks: false);
        command.SetAction(parse =>
        {
            var build = new BuildOptions { Dtype = options.Dtype(parse)!.Value, Device = options.Device(parse) };
            if (parse.GetValue(threads) is { } count) torch.set_num_threads(count);
            using var model = CreateModel(parse.GetRequiredValue(shape), build);
            Fill(model);
            if (parse.GetValue(check) && !PassesAgree(terminal, model, parse.GetValue(prompt))) return CommandLine.Failed;
            var run = new Run(model, parse.GetValue(batch), parse.GetValue(prompt), parse.GetValue(tokens));
            run.Round(); // Compiles kernels, fills allocators.
            var best = Enumerable.Range(0, Math.Max(1, parse.GetValue(rounds))).Select(_ => run.Round()).Aggregate((a, b) => new Timing(Math.Min(a.Prefill, b.Prefill), Math.Min(a.Step, b.Step)));
            Report(terminal, parse.GetValue(options.Json), model, run, best);
            return CommandLine.Success;
        });
        return Help.WithExamples(command,
            "bench llama-7b --device cuda --dtype bfloat16 --prompt 2048 --tokens 128",
            "bench llama-7b --device cuda --check",
            "bench ./checkpoint --dtype float32 --prompt 512 --json");
    }

    private static CausalModel CreateModel(string shape, BuildOptions build)
    {
        var target = ModelTarget.Find(shape);
        return target.Architecture.Create(target.Config, build);
    }

    private static void Fill(CausalModel model)
    {
        using var noGrad = torch.no_grad();
        foreach (var slot in model.Weights().Where(slot => !slot.IsTied))
        {
            var value = slot.Parameter!.Value;
            if (slot.Layer is INorm && slot.Spec.Kind != TensorKind.Bias) value.fill_(1);
            else value.normal_(0, 0.02);
            slot.Parameter.Changed();
        }
    }

    /// <summary>Kernels that small fixtures do not reach (head widths, splits of a long cache) are checked at the shape that is measured.</summary>
    private static bool PassesAgree(Terminal terminal, CausalModel model, int prompt)
    {
        var random = new Random(1);
        var ids = Enumerable.Range(0, prompt + CheckedSteps).Select(_ => random.Next(1, 256)).ToArray();
        var tolerance = model.Dtype == torch.ScalarType.Float32 ? 1e-3 : 0.1;
        var failed = Consistency.Check(model, [ids], prompt, tolerance, tolerance).Where(result => !result.IsOk).ToArray();
        foreach (var result in failed)
            terminal.Fail(FormattableString.Invariant($"'{result.Name}' differs from the eager run by up to {result.MaxAbsolute:0.###e0}."));
        return failed.Length == 0;
    }

    private static void Report(Terminal terminal, bool json, CausalModel model, Run run, Timing best)
    {
        var prefill = run.Batch * run.Prompt / best.Prefill;
        var decode = run.Batch / best.Step;
        var bytes = (double)model.Parameters().Sum(p => p.Value.numel() * p.Value.ElementSize);
        if (json)
        {
            terminal.WriteJson(writer =>
            {
                writer.WriteNumber("parameters", model.ParameterCount);
                writer.WriteNumber("prefill_tokens_per_second", Math.Round(prefill, 2));
                writer.WriteNumber("decode_tokens_per_second", Math.Round(decode, 2));
                writer.WriteNumber("weight_bytes_per_second", Math.Round(bytes / best.Step));
            });
            return;
        }

        terminal.Output.WriteLine(FormattableString.Invariant($"{model.ParameterCount / 1e6:0.#} M parameters, {Terminal.Bytes(bytes)} of {DTypeNames.Name(model.Dtype)} on {model.Device}"));
        terminal.Output.WriteLine(FormattableString.Invariant($"prefill of {run.Batch} x {run.Prompt}: {prefill:0.0} tokens/s"));
        terminal.Output.WriteLine(FormattableString.Invariant($"decode of {run.Batch} x {run.Tokens}: {decode:0.0} tokens/s, {best.Step * 1e3:0.00} ms a step, weights at {Terminal.Bytes(bytes / best.Step)}/s"));
    }

    /// <summary>Seconds of a prompt and of one step.</summary>
    private readonly record struct Timing(double Prefill, double Step);

    private sealed class Run(CausalModel model, int batch, int prompt, int tokens)
    {
        public int Batch => batch;
        public int Prompt => prompt;
        public int Tokens => tokens;

        public Timing Round()
        {
            using var noGrad = torch.no_grad();
            using var cache = model.NewCache(batch, prompt + tokens);
            var inputs = model.Inputs.Prompt(new TokenBatch(batch, prompt, new long[batch * prompt]));
            using var ids = torch.zeros([batch, prompt], torch.ScalarType.Int64, model.Device);
            Synchronize();
            var clock = Stopwatch.StartNew();
            using (var pass = new PassContext(inputs, cache)) model.Prefill(ids, pass).Dispose();
            Synchronize();
            var prefill = clock.Elapsed.TotalSeconds;
            using var next = torch.zeros([batch, 1], torch.ScalarType.Int64, model.Device);
            clock.Restart();
            for (var step = 0; step < tokens; step++)
            {
                inputs = model.Inputs.Continue(inputs);
                using var pass = new PassContext(inputs, cache);
                using var logits = model.Decode(next, pass);
                using var choice = logits.argmax(-1);
                choice.cpu().Dispose(); // As generation does: the host must see the token.
            }

            return new Timing(prefill, clock.Elapsed.TotalSeconds / Math.Max(1, tokens));
        }

        private void Synchronize()
        {
            if (model.Device.type == DeviceType.CUDA) torch.cuda.synchronize();
        }
    }
}
