using System.CommandLine;
using System.Text;
using Generated.Cli.Inspection;
using Generated.Generation;
using Generated.Loading;
using Generated.Verification;
using TorchSharp;

namespace Generated.Cli.Commands;

/// <summary><c>generated demo</c>: the whole way on a small model that comes with the command.</summary>
internal static class DemoCommand
{
    /// <summary>Folder of the model beside the program.</summary>
    private const string Folder = "demo";

    public static Command Create(Terminal terminal)
    {
        var prompt = new Option<string>("--prompt") { Description = "Text to continue.", DefaultValueFactory = _ => "ROMEO:", HelpName = "text" };
        var checkpoint = new Option<string?>("--checkpoint") { Description = "Another checkpoint folder than the one that comes with the command.", HelpName = "dir" };
        var maxTokens = new Option<int>("--max-tokens", "-n") { Description = "Most tokens to add.", DefaultValueFactory = _ => 200, HelpName = "n" };
        var model = new ModelOptions(torch.ScalarType.Float32);
        var json = model.Json;
        var command = new Command("demo", "Shows what is derived from a declaration, checks it in float32, and lets the model write in the type asked for.") { prompt, checkpoint, maxTokens };
        model.AddTo(command, ranks: false);
        command.SetAction((parse, cancellation) =>
        {
            var options = new GenerationOptions { MaxTokens = parse.GetValue(maxTokens) };
            options.Check();
            var dtype = model.Dtype(parse)!.Value;
            var folder = parse.GetValue(checkpoint) ?? Shipped();
            LoadedModel Load(torch.ScalarType type) => model.Load(parse, terminal, folder, dtype: type, cancellation: cancellation);
            return OffThread.Run(() => parse.GetValue(json)
                ? RunJson(terminal, folder, Load, parse.GetRequiredValue(prompt), dtype, options, cancellation)
                : Run(terminal, folder, Load, parse.GetRequiredValue(prompt), dtype, options, cancellation));
        });
        return Help.WithExamples(command, "demo", "demo --prompt \"JULIET:\" -n 100", "demo --checkpoint ./llama --device cuda --dtype bfloat16", "demo --json");
    }

    private static int Run(
        Terminal terminal, string folder, Func<torch.ScalarType, LoadedModel> load, string prompt, torch.ScalarType dtype, GenerationOptions options, CancellationToken cancellation)
    {
        terminal.Output.WriteLine("== 1. What the compiler derived from the declaration");
        var facts = ModelFacts.Of(folder);
        FactsTables.WriteSummary(terminal, facts);
        FactsTables.WriteStructure(terminal, facts.Structure);

        terminal.Output.WriteLine("== 2. Loading");
        var loaded = load(torch.ScalarType.Float32);
        try
        {
            terminal.Output.WriteLine(FormattableString.Invariant($"{facts.Tensors.Count} tensors, each once, from {folder}"));
            terminal.Output.WriteLine("== 3. Generated passes against the declared body, run operator by operator");
            var results = Check(loaded, prompt);
            foreach (var result in results)
                terminal.Output.WriteLine(FormattableString.Invariant($"{result.Name,-8} largest difference of a logit {result.MaxAbsolute:0.0e+0}  {(result.IsOk ? "equal" : "DIFFERENT")}"));
            if (Failed(terminal, results))
                return CommandLine.Failed;

            terminal.Output.WriteLine("== 4. Text" + (dtype == torch.ScalarType.Float32 ? "" : $", in {DTypeNames.Name(dtype)}"));
            In(ref loaded, dtype, load);
            terminal.Output.Write(prompt);
            var speed = Write(loaded, prompt, options, cancellation, text =>
            {
                terminal.Output.Write(text);
                terminal.Output.Flush();
            });
            terminal.Output.WriteLine();
            terminal.Output.WriteLine(FormattableString.Invariant($"[{speed.Tokens} tokens, {speed.PerSecond:0} tokens/s]"));
            return CommandLine.Success;
        }
        finally
        {
            loaded.Dispose();
        }
    }

    /// <summary>The same as one object: <c>model</c> (as <c>inspect --json</c>), <c>checks</c>, and where they hold <c>text</c>, <c>dtype</c>, <c>tokens</c>, <c>tokens_per_second</c>.</summary>
    private static int RunJson(
        Terminal terminal, string folder, Func<torch.ScalarType, LoadedModel> load, string prompt, torch.ScalarType dtype, GenerationOptions options, CancellationToken cancellation)
    {
        var loaded = load(torch.ScalarType.Float32);
        try
        {
            var results = Check(loaded, prompt);
            var text = new StringBuilder(prompt);
            GenerateCommand.Speed? speed = null;
            if (results.All(result => result.IsOk))
            {
                In(ref loaded, dtype, load);
                speed = Write(loaded, prompt, options, cancellation, piece => text.Append(piece));
            }

            terminal.WriteJson(json =>
            {
                json.WriteStartObject("model");
                FactsJson.Write(json, ModelFacts.Of(folder), ranks: 1);
                json.WriteEndObject();
                json.WriteStartArray("checks");
                foreach (var result in results)
                {
                    json.WriteStartObject();
                    ComparisonJson.Write(json, result);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                if (speed is null)
                    return;
                json.WriteString("text", text.ToString());
                json.WriteString("dtype", DTypeNames.Name(dtype));
                json.WriteNumber("tokens", speed.Tokens);
                json.WriteNumber("tokens_per_second", Math.Round(speed.PerSecond, 2));
            });
            return Failed(terminal, results) ? CommandLine.Failed : CommandLine.Success;
        }
        finally
        {
            loaded.Dispose();
        }
    }

    private static IReadOnlyList<Comparison> Check(LoadedModel loaded, string prompt)
    {
        var ids = loaded.RequireTokenizer().Encode(prompt, addSpecial: true);
        return Consistency.Check(loaded.Model, ids.Count > 1 ? ids : [ids[0], ids[0]]);
    }

    private static bool Failed(Terminal terminal, IReadOnlyList<Comparison> results)
    {
        if (results.FirstOrDefault(result => !result.IsOk) is not { } wrong)
            return false;
        terminal.Fail($"The generated '{wrong.Name}' pass differs from the declaration.");
        return true;
    }

    /// <summary>Loads the model again where another type is asked for than that of the check, never two at a time.</summary>
    private static void In(ref LoadedModel loaded, torch.ScalarType dtype, Func<torch.ScalarType, LoadedModel> load)
    {
        if (dtype == loaded.Model.Dtype)
            return;
        loaded.Dispose();
        loaded = load(dtype);
    }

    private static GenerateCommand.Speed Write(LoadedModel loaded, string prompt, GenerationOptions options, CancellationToken cancellation, Action<string> write)
    {
        var ids = loaded.RequireTokenizer().Encode(prompt, addSpecial: true);
        var speed = new GenerateCommand.Speed();
        foreach (var piece in loaded.CreateGenerator().Generate([ids], options, cancellation))
        {
            speed.Count();
            write(piece.Text);
        }

        return speed;
    }

    private static string Shipped()
    {
        var folder = Path.Combine(AppContext.BaseDirectory, Folder);
        return Directory.Exists(folder)
            ? folder
            : throw new InvalidInputException($"The demo's model is not in {folder}: build the command from a complete copy of the repository, or give --checkpoint.");
    }
}
