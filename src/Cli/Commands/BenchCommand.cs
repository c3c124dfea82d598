using System.CommandLine;
using Generated.Architectures;
using Generated.Cli.Inspection;
using Generated.Kernels;
using Generated.Layers;
using Generated.Passes;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using Generated.Verification;
using TorchSharp;
using WeightFormat = Generated.Quant.Recipes.WeightFormat;

namespace Generated.Cli.Commands;

/// <summary><c>generated bench</c>: prefill and decode speed of a shape with random weights, without any checkpoint.</summary>
internal static class BenchCommand
{
    private const int CheckedSteps = 16;
    private const int MostThreads = 1024;
    private const float RandomKvScale = 0.05f; // keys and values of random weights are a few units large

    public static Command Create(Terminal terminal)
    {
        var shape = new Argument<string>("config") { Description = "config.json, checkpoint folder or a preset's name; weights are random." };
        var prompt = new Option<int>("--prompt") { Description = "Tokens of the prompt.", DefaultValueFactory = _ => 512, HelpName = "n" };
        var tokens = new Option<int>("--tokens") { Description = "Tokens to decode.", DefaultValueFactory = _ => 64, HelpName = "n" };
        var batch = new Option<int>("--batch") { Description = "Rows.", DefaultValueFactory = _ => 1, HelpName = "n" };
        var rounds = new Option<int>("--rounds") { Description = "Timed rounds; the best counts.", DefaultValueFactory = _ => 3, HelpName = "n" };
        var threads = new Option<int?>("--threads") { Description = "CPU threads of libtorch.", HelpName = "n" };
        var check = new Option<bool>("--check") { Description = "First compares full pass, prefill and decode with the eager run of the declaration, in float32; exit code 1 where they differ." };
        var bits = new Option<int?>("--bits") { Description = "Also measures packed weights of 8 or 4 bits, in the same run.", HelpName = "n" };
        var groupSize = new Option<int>("--group-size") { Description = "Inputs that share a scale, with 4 bits.", DefaultValueFactory = _ => 128, HelpName = "n" };
        var inputs = new Option<string?>("--activations") { Description = "Rounds the inputs of linears to 8 bits as well: with one scale per tensor, or per token." };
        inputs.AcceptOnlyFromAmong("tensor", "token");
        var kvBits = new Option<int?>("--kv-bits") { Description = "Also measures keys and values in 8 bits, with the packed weights where --bits is given.", HelpName = "n" };
        var options = new ModelOptions(torch.ScalarType.Float32);
        var command = new Command("bench", "Measures prefill and decode speed of a shape with random weights.") { shape, prompt, tokens, batch, rounds, threads, check, bits, groupSize, inputs, kvBits };
        options.AddTo(command, ranks: false);
        command.SetAction(parse =>
        {
            var build = new BuildOptions { Dtype = options.Dtype(parse)!.Value, Device = options.Device(parse) };
            var (rows, length, steps, count) = (parse.AtLeast(batch, 1), parse.AtLeast(prompt, 1), parse.AtLeast(tokens, 1), parse.AtLeast(rounds, 1));
            if (parse.GetValue(threads) is { } wanted)
            {
                if (wanted is < 1 or > MostThreads)
                    throw new InvalidInputException($"--threads is {wanted}; it has to be between 1 and {MostThreads}.");
                torch.set_num_threads(wanted);
                ThreadTeam.Shared.Resize(wanted);
            }

            if (parse.GetValue(check) && build.Dtype != torch.ScalarType.Float32)
                throw new InvalidInputException($"--check compares in float32, where passes agree to 1e-3; {DTypeNames.Name(build.Dtype)} rounds by more than a wrong kernel might. Leave out --dtype.");
            if (parse.GetValue(check) && (parse.GetValue(inputs) is not null || parse.GetValue(kvBits) is not null))
                throw new InvalidInputException("--check cannot judge --activations or --kv-bits: a last digit moves a rounded input by a whole code, and random weights carry that on. The tests compare these products bit by bit.");
            var format = Format(parse.GetValue(bits), parse.GetValue(groupSize));
            if (format is null && parse.GetValue(inputs) is not null)
                throw new InvalidInputException("--activations goes with packed weights: add --bits 8 or --bits 4.");
            if (parse.GetValue(kvBits) is not (null or 8))
                throw new InvalidInputException($"--kv-bits is {parse.GetValue(kvBits)}; it has to be 8.");
            BenchResult Measure(CausalModel model, string weights)
            {
                var run = new BenchRun(model, rows, length, steps);
                var result = run.Measure(weights, count, over => terminal.Status(over == 0 ? $"{weights}: warming up" : $"{weights}: round {over} of {count}"));
                terminal.Status(null);
                return result;
            }

            BenchResult plain;
            using (var model = CreateModel(parse.GetRequiredValue(shape), build))
            {
                Fill(terminal, model);
                if (parse.GetValue(check) && !PassesAgree(terminal, model, length)) return CommandLine.Failed;
                plain = Measure(model, DTypeNames.Name(build.Dtype));
            }

            BenchResult? quantized = null;
            if (format is not null || parse.GetValue(kvBits) is not null)
            {
                using var model = CreateModel(parse.GetRequiredValue(shape), build with { DeferMatrices = true });
                var activations = parse.GetValue(inputs) switch { "tensor" => new ActivationFormat(), "token" => new ActivationFormat { Per = ActivationGranularity.Token }, _ => null };
                if (format is not null)
                    terminal.WithProgress("Packing random weights", _ => RandomWeights.Put(model, format, activations));
                model.AllocateMatrices();
                Fill(terminal, model);
                if (parse.GetValue(kvBits) is not null)
                    RoundKeysAndValues(model);
                if (parse.GetValue(check) && !PassesAgree(terminal, model, length)) return CommandLine.Failed;
                var weights = format is null ? DTypeNames.Name(build.Dtype) : $"int{format.Bits}{(activations is null ? "" : " with 8-bit inputs")}";
                quantized = Measure(model, weights + (parse.GetValue(kvBits) is null ? "" : ", 8-bit keys and values"));
            }

            var work = $"{rows} x {length} and {steps} more on {build.Device}";
            Report(terminal, parse.GetValue(options.Json), plain, quantized, work);
            return CommandLine.Success;
        });
        return Help.WithExamples(command,
            "bench llama-7b --device cuda --dtype bfloat16 --prompt 2048 --tokens 128",
            "bench llama-7b --device cuda --check",
            "bench llama-7b --bits 4 --device cuda --dtype bfloat16",
            "bench llama-7b --kv-bits 8 --device cuda --dtype bfloat16 --prompt 2048",
            "bench ./checkpoint --dtype float32 --prompt 512 --json");
    }

    private static WeightFormat? Format(int? bits, int groupSize) => bits switch
    {
        null => null,
        8 => new WeightFormat(),
        4 when groupSize > 0 && groupSize % 32 == 0 => new WeightFormat { Bits = 4, Per = Granularity.Group, GroupSize = groupSize, Symmetric = false },
        4 => throw new InvalidInputException($"--group-size is {groupSize}; it has to be a multiple of 32."),
        _ => throw new InvalidInputException($"--bits is {bits}; it has to be 8 or 4."),
    };

    private static CausalModel CreateModel(string shape, BuildOptions build)
    {
        var target = ModelTarget.Find(shape);
        return target.Architecture.Create(target.Config, build);
    }

    private static void Fill(Terminal terminal, CausalModel model) => terminal.WithProgress("Filling random weights", progress =>
    {
        using var noGrad = torch.no_grad();
        var slots = model.Weights().Where(slot => !slot.IsTied && slot.Parameter is not null).ToList();
        var (total, filled) = (slots.Sum(slot => slot.Parameter!.Value.numel()), 0L);
        foreach (var slot in slots)
        {
            var value = slot.Parameter!.Value;
            if (slot.Layer is INorm && slot.Spec.Kind != TensorKind.Bias) value.fill_(1);
            else value.normal_(0, 0.02);
            slot.Parameter.Changed();
            filled += value.numel();
            progress.Report((double)filled / total);
        }

        return filled;
    });

    private static void RoundKeysAndValues(CausalModel model)
    {
        foreach (var attention in model.Context.Attentions)
        {
            var scales = new float[attention.KvHeads];
            Array.Fill(scales, RandomKvScale);
            attention.RoundKeysAndValues(new KvScales(scales, scales));
        }
    }

    /// <summary>Kernels that small fixtures do not reach (head widths, splits of a long cache) are checked at the shape that is measured.</summary>
    private static bool PassesAgree(Terminal terminal, CausalModel model, int prompt)
    {
        var random = new Random(1);
        var ids = Enumerable.Range(0, prompt + CheckedSteps).Select(_ => random.Next(1, 256)).ToArray();
        var failed = terminal.WithProgress("Checking the passes", _ => Consistency.Check(model, [ids], prompt, absolute: 1e-3)).Where(result => !result.IsOk).ToArray();
        foreach (var result in failed)
            terminal.Fail(FormattableString.Invariant($"'{result.Name}' differs from the eager run by up to {result.MaxAbsolute:0.###e0}."));
        return failed.Length == 0;
    }

    private static void Report(Terminal terminal, bool json, BenchResult plain, BenchResult? quantized, string shape)
    {
        if (json)
        {
            terminal.WriteJson(writer =>
            {
                Write(writer, plain);
                if (quantized is null)
                    return;
                writer.WriteStartObject("quantized");
                writer.WriteString("weights", quantized.Weights);
                Write(writer, quantized);
                writer.WriteEndObject();
                writer.WriteNumber("decode_ratio", Math.Round(quantized.Decode / plain.Decode, 3));
                writer.WriteNumber("prefill_ratio", Math.Round(quantized.Prefill / plain.Prefill, 3));
            });
            return;
        }

        terminal.Output.WriteLine(FormattableString.Invariant($"{plain.Parameters / 1e6:0.#} M parameters, {shape}"));
        foreach (var result in new[] { plain, quantized }.OfType<BenchResult>())
        {
            terminal.Output.WriteLine(FormattableString.Invariant(
                $"{result.Weights}, {Terminal.Bytes(result.Bytes)}: prefill {result.Prefill:0.0} tokens/s; decode {result.Decode:0.0} tokens/s, {result.Step * 1e3:0.00} ms a step, weights at {Terminal.Bytes(result.Bytes / result.Step)}/s"));
        }

        if (quantized is not null)
            terminal.Output.WriteLine(FormattableString.Invariant($"{quantized.Weights} against {plain.Weights}: decode {quantized.Decode / plain.Decode:0.00} x, prefill {quantized.Prefill / plain.Prefill:0.00} x"));
    }

    private static void Write(System.Text.Json.Utf8JsonWriter writer, BenchResult result)
    {
        writer.WriteNumber("parameters", result.Parameters);
        writer.WriteNumber("weight_bytes", result.Bytes);
        writer.WriteNumber("prefill_tokens_per_second", Math.Round(result.Prefill, 2));
        writer.WriteNumber("decode_tokens_per_second", Math.Round(result.Decode, 2));
        writer.WriteNumber("weight_bytes_per_second", Math.Round(result.Bytes / result.Step));
    }
}
