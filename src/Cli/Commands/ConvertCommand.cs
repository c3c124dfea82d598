using System.CommandLine;
using Generated.Checkpoints;
using Generated.Loading;
using Generated.Quant.Formats.Exchange;
using TorchSharp;

namespace Generated.Cli.Commands;

/// <summary><c>generated convert</c>: the same weights in another layout, type or file size.</summary>
internal static class ConvertCommand
{
    public static Command Create(Terminal terminal)
    {
        var source = new Argument<string>("src") { Description = "Checkpoint folder in any supported format; it is detected." };
        var target = new Argument<string>("dst") { Description = "Folder to write; it appears whole or not at all." };
        var to = new Option<string>("--to") { Description = "Hugging Face's layout (hf) or PaddleNLP's (paddle).", DefaultValueFactory = _ => "hf" };
        to.AcceptOnlyFromAmong("hf", "paddle");
        var format = new Option<string>("--format") { Description = "safetensors, or for Paddle pdparams; of a folder that quantize wrote, gptq or awq, for other libraries.", DefaultValueFactory = _ => "safetensors" };
        format.AcceptOnlyFromAmong(["safetensors", "pdparams", .. QuantizedExport.Layouts]);
        var dtype = new Option<string?>("--dtype") { Description = "float32, bfloat16 or float16. Default: each tensor's.", HelpName = "type" };
        var shard = new Option<string>("--max-shard-size") { Description = "Largest file.", DefaultValueFactory = _ => "5GB", HelpName = "size" };
        var overwrite = new Option<bool>("--overwrite") { Description = "Replaces a folder that exists." };
        var json = new Option<bool>("--json") { Description = "Writes JSON." };
        var command = new Command("convert", "Writes a checkpoint in another layout, type or file size.") { source, target, to, format, dtype, shard, overwrite, json };
        command.SetAction((parse, cancellation) => OffThread.Run(() =>
        {
            var options = new SaveOptions
            {
                Layout = parse.GetValue(to) == "paddle" ? CheckpointLayout.Paddle : CheckpointLayout.HuggingFace,
                Format = parse.GetValue(format) == "pdparams" ? CheckpointFormat.PaddlePickle : CheckpointFormat.Safetensors,
                Dtype = parse.GetValue(dtype) is { } name ? DTypeNames.Parse(name) : null,
                MaxShardBytes = Sizes.Parse(parse.GetRequiredValue(shard)),
                Overwrite = parse.GetValue(overwrite),
            };
            var (from, into) = (parse.GetRequiredValue(source), parse.GetRequiredValue(target));
            if (QuantizedExport.Layouts.Contains(parse.GetValue(format)))
            {
                if (parse.GetValue(dtype) is not null || parse.GetValue(to) != "hf")
                    throw new InvalidInputException($"--format {parse.GetValue(format)} goes with neither --dtype nor --to paddle: packed weights are written as they are.");
                terminal.WithProgress("Converting", progress =>
                {
                    QuantizedExport.Write(from, into, parse.GetValue(format)!, options.Overwrite, progress, cancellation);
                    return true;
                });
                Write(terminal, into, parse.GetValue(json));
                return CommandLine.Success;
            }

            terminal.WithProgress("Converting", progress =>
            {
                CheckpointSaver.Convert(from, into, options with { Progress = progress }, cancellation);
                return true;
            });
            Write(terminal, into, parse.GetValue(json));
            return CommandLine.Success;
        }));
        return Help.WithExamples(command,
            "convert ./llama ./llama-bf16 --dtype bfloat16 --max-shard-size 2GB",
            "convert ./llama ./llama-paddle --to paddle --format pdparams",
            "convert ./llama-paddle ./llama-hf",
            "convert ./llama-w4 ./llama-w4-gptq --format gptq");
    }

    private static void Write(Terminal terminal, string folder, bool json)
    {
        using var written = Checkpoint.Open(folder);
        var bytes = written.Tensors.Values.Sum(tensor => tensor.ByteCount);
        if (!json)
        {
            terminal.Output.WriteLine($"{folder}: {written.Tensors.Count} tensors, {Terminal.Bytes(bytes)} in {written.Files.Count()} file(s), {written.Layout} layout");
            return;
        }

        terminal.WriteJson(writer =>
        {
            writer.WriteString("directory", folder);
            writer.WriteString("layout", written.Layout.ToString());
            writer.WriteNumber("tensors", written.Tensors.Count);
            writer.WriteNumber("bytes", bytes);
            writer.WriteNumber("files", written.Files.Count());
        });
    }
}
