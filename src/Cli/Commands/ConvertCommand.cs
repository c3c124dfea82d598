using System.CommandLine;
using Generated.Checkpoints;
using Generated.Loading;
using Generated.Native;
using Generated.Quant.Formats.Exchange;
using Generated.Verification;

namespace Generated.Cli.Commands;

/// <summary><c>generated convert</c>: the same weights in another layout, type, file size, or on another number of ranks.</summary>
internal static class ConvertCommand
{
    public static Command Create(Terminal terminal)
    {
        var source = new Argument<string>("src") { Description = "Checkpoint folder in any supported format, tensor-parallel shards included; it is detected." };
        var target = new Argument<string>("dst") { Description = "Folder to write; it appears whole or not at all." };
        var to = new Option<string>("--to") { Description = "Hugging Face's layout (hf) or PaddleNLP's (paddle).", DefaultValueFactory = _ => "hf" };
        to.AcceptOnlyFromAmong("hf", "paddle");
        var format = new Option<string?>("--format") { Description = "safetensors, or for Paddle pdparams; of a folder that quantize wrote, gptq or awq, for other libraries. Default: safetensors; with --tp pdparams." };
        format.AcceptOnlyFromAmong(["safetensors", "pdparams", .. QuantizedExport.Layouts]);
        var dtype = new Option<string?>("--dtype") { Description = "float32, bfloat16 or float16. Default: each tensor's.", HelpName = "type" };
        var shard = new Option<string>("--max-shard-size") { Description = "Largest file.", DefaultValueFactory = _ => "5GB", HelpName = "size" };
        var ranks = new Option<int>("--tp") { Description = "Writes Paddle's tensor-parallel shards, model_state.tp0X.pdparams, for so many ranks.", DefaultValueFactory = _ => 1, HelpName = "n" };
        var verify = new Option<bool>("--verify") { Description = "Replays a forward pass on both sides and prints the difference; a folder that differs is not kept." };
        var device = new Option<string>("--device") { Description = "Where --verify computes: cpu, cuda or cuda:N. Converting itself uses the CPU.", DefaultValueFactory = _ => "cpu", HelpName = "device" };
        var overwrite = new Option<bool>("--overwrite") { Description = "Replaces a checkpoint folder that exists." };
        var json = new Option<bool>("--json") { Description = "Writes JSON." };
        var command = new Command("convert", "Writes a checkpoint in another layout, type or file size.")
        {
            source, target, to, format, dtype, shard, ranks, verify, device, overwrite, json,
        };
        command.SetAction((parse, cancellation) => OffThread.Run(() =>
        {
            if (parse.GetValue(ranks) > 1 && parse.GetValue(to) != "paddle")
                throw new InvalidInputException($"--tp {parse.GetValue(ranks)} writes Paddle's shards: add --to paddle. Hugging Face's files are not cut, and loaded on any number of ranks.");
            if (parse.GetValue(format) == "pdparams" && parse.GetValue(to) != "paddle")
                throw new InvalidInputException("--format pdparams is Paddle's: add --to paddle.");
            var options = new SaveOptions
            {
                Layout = parse.GetValue(to) == "paddle" ? CheckpointLayout.Paddle : CheckpointLayout.HuggingFace,
                Format = (parse.GetValue(format) ?? (parse.GetValue(ranks) > 1 ? "pdparams" : "safetensors")) == "pdparams" ? CheckpointFormat.PaddlePickle : CheckpointFormat.Safetensors,
                Dtype = parse.GetValue(dtype) is { } name ? DTypeNames.Parse(name) : null,
                MaxShardBytes = Sizes.Parse(parse.GetRequiredValue(shard)),
                TensorParallel = parse.GetValue(ranks),
                Overwrite = parse.GetValue(overwrite),
            };
            var verifiedOn = Devices.Parse(parse.GetRequiredValue(device));
            var from = parse.GetRequiredValue(source);
            var into = TargetFolder.Check(parse.GetRequiredValue(target), from, options.Overwrite);
            if (QuantizedExport.Layouts.Contains(parse.GetValue(format)))
            {
                if (parse.GetValue(dtype) is not null || parse.GetValue(to) != "hf" || parse.GetValue(ranks) != 1 || parse.GetValue(verify))
                    throw new InvalidInputException($"--format {parse.GetValue(format)} goes with none of --dtype, --to paddle, --tp and --verify: packed weights are written as they are.");
                terminal.WithProgress("Converting", progress =>
                {
                    QuantizedExport.Write(from, into, parse.GetValue(format)!, options.Overwrite, progress, cancellation);
                    return true;
                });
                Write(terminal, into, parse.GetValue(json));
                return CommandLine.Success;
            }

            var differences = new List<Comparison>();
            var isWritten = terminal.WithProgress("Converting", progress => CheckpointSaver.Convert(
                from, into, options with { Progress = progress }, cancellation, parse.GetValue(verify) ? IsEqual : null));
            foreach (var difference in differences)
                Write(terminal, difference, parse.GetValue(json));
            if (!isWritten)
            {
                terminal.Fail($"{into} is not written: its model differs from that of {from}, first in {differences.First(d => !d.IsOk).Name}.");
                return CommandLine.Failed;
            }

            Write(terminal, into, parse.GetValue(json));
            return CommandLine.Success;

            bool IsEqual(string folder)
            {
                differences.AddRange(ForwardComparison.Run(from, folder, options.Dtype, cancellation, verifiedOn));
                return differences.TrueForAll(d => d.IsOk);
            }
        }));
        return Help.WithExamples(command,
            "convert ./llama ./llama-bf16 --dtype bfloat16 --max-shard-size 2GB",
            "convert ./llama ./llama-paddle --to paddle --format pdparams --verify",
            "convert ./llama ./llama-tp4 --to paddle --tp 4",
            "convert ./llama-tp4 ./llama-hf",
            "convert ./llama-w4 ./llama-w4-gptq --format gptq");
    }

    private static void Write(Terminal terminal, Comparison difference, bool json)
    {
        if (!json)
        {
            terminal.Output.WriteLine(FormattableString.Invariant($"{difference.Name}: largest difference {difference.MaxAbsolute:g3}"));
            return;
        }

        terminal.WriteJson(writer => ComparisonJson.Write(writer, difference));
    }

    private static void Write(Terminal terminal, string folder, bool json)
    {
        using var written = Checkpoint.Open(folder);
        var tensors = written.Ranks.Sum(rank => rank.Tensors.Count);
        var bytes = written.Ranks.Sum(rank => rank.Tensors.Values.Sum(tensor => tensor.ByteCount));
        if (!json)
        {
            terminal.Output.WriteLine($"{folder}: {tensors} tensors, {Terminal.Bytes(bytes)} in {written.Files.Count()} file(s), {written.Layout} layout");
            return;
        }

        terminal.WriteJson(writer =>
        {
            writer.WriteString("directory", folder);
            writer.WriteString("layout", written.Layout.ToString());
            writer.WriteNumber("tensors", tensors);
            writer.WriteNumber("bytes", bytes);
            writer.WriteNumber("files", written.Files.Count());
        });
    }
}
