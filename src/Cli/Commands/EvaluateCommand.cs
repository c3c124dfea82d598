using System.CommandLine;
using Generated.Evaluation;
using Generated.Tokenization;
using TorchSharp;

namespace Generated.Cli.Commands;

/// <summary><c>generated evaluate</c>: perplexity on a text.</summary>
internal static class EvaluateCommand
{
    public static Command Create(Terminal terminal)
    {
        var directory = new Argument<string>("dir") { Description = "Checkpoint folder." };
        var text = new Option<string>("--text") { Description = "UTF-8 text to score.", Required = true, HelpName = "file" };
        var from = new Option<double>("--from") { Description = "Share of the windows to pass over.", DefaultValueFactory = _ => 0, HelpName = "share" };
        var to = new Option<double>("--to") { Description = "Share of the windows to stop at.", DefaultValueFactory = _ => 1, HelpName = "share" };
        var window = new Option<int>("--window") { Description = "Tokens of a window, BOS included.", DefaultValueFactory = _ => 512, HelpName = "n" };
        var batch = new Option<int>("--batch") { Description = "Windows per pass.", DefaultValueFactory = _ => 4, HelpName = "n" };
        var model = new ModelOptions(torch.ScalarType.Float32);
        var command = new Command("evaluate", "Measures perplexity: windows of the text, each after a BOS token, every token scored once.") { directory, text, from, to, window, batch };
        model.AddTo(command);
        command.SetAction((parse, cancellation) => OffThread.Run(() => model.OnRanks(parse, terminal, (group, output) =>
        {
            var rows = parse.AtLeast(batch, 1);
            var content = TextFiles.Read(parse.GetRequiredValue(text));
            using var loaded = model.Load(parse, output, parse.GetRequiredValue(directory), group, cancellation: cancellation);
            var tokenizer = loaded.RequireTokenizer();
            var windows = new TextWindows(tokenizer.Encode(content), parse.GetValue(window), parse.GetValue(from), parse.GetValue(to));
            var result = output.WithProgress("Scoring", progress =>
                Perplexity.Measure(loaded.Model, windows, Bos(tokenizer, loaded.Directory), rows, progress, cancellation));
            Write(output, parse.GetValue(model.Json), result);
            return CommandLine.Success;
        })));
        return Help.WithExamples(command,
            "evaluate ./llama --text wiki.test.txt",
            "evaluate ./llama --text wiki.test.txt --from 0.2 --window 2048 --device cuda --dtype bfloat16 --json");
    }

    /// <summary>Models without a BOS token (GPT-2, Qwen) were trained with the end-of-text token in its place.</summary>
    internal static int Bos(ITokenizer tokenizer, string directory) =>
        tokenizer.BosId ?? (tokenizer.EosIds.Count > 0 ? tokenizer.EosIds[0] : throw new InvalidInputException($"The tokenizer in {directory} has neither a BOS nor an EOS token to begin a window with."));

    private static void Write(Terminal terminal, bool json, PerplexityResult result)
    {
        if (!json)
        {
            terminal.Output.WriteLine(FormattableString.Invariant($"perplexity {result.Perplexity:0.0000}, {result.MeanNll:0.000000} nats per token over {result.Tokens} tokens"));
            return;
        }

        terminal.WriteJson(writer =>
        {
            writer.WriteNumber("perplexity", result.Perplexity);
            writer.WriteNumber("tokens", result.Tokens);
            writer.WriteNumber("mean_nll", result.MeanNll);
        });
    }
}
