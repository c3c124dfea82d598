using System.CommandLine;
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
        var device = new Option<string>("--device") { Description = "cpu, cuda or cuda:N.", DefaultValueFactory = _ => "cpu", HelpName = "device" };
        var command = new Command("demo", "Shows what is derived from a declaration, checks it, and lets the model write.") { prompt, checkpoint, maxTokens, device };
        command.SetAction((parse, cancellation) =>
        {
            var options = new GenerationOptions { MaxTokens = parse.GetValue(maxTokens) };
            options.Check();
            return OffThread.Run(() => Run(
                terminal, parse.GetValue(checkpoint) ?? Shipped(), parse.GetRequiredValue(prompt), options, Native.Devices.Parse(parse.GetRequiredValue(device)), cancellation));
        });
        return Help.WithExamples(command, "demo", "demo --prompt \"JULIET:\" -n 100", "demo --checkpoint ./llama");
    }

    private static int Run(Terminal terminal, string folder, string prompt, GenerationOptions options, torch.Device device, CancellationToken cancellation)
    {
        terminal.Output.WriteLine("== 1. What the compiler derived from the declaration");
        var facts = ModelFacts.Of(folder);
        FactsTables.WriteSummary(terminal, facts);
        FactsTables.WriteStructure(terminal, facts.Structure);

        terminal.Output.WriteLine("== 2. Loading");
        using var loaded = ModelLoader.Load(folder, new LoadOptions { Dtype = torch.ScalarType.Float32, Device = device }, cancellation);
        var ids = loaded.RequireTokenizer().Encode(prompt, addSpecial: true);
        terminal.Output.WriteLine(FormattableString.Invariant($"{facts.Tensors.Count} tensors, each once, from {folder}"));

        terminal.Output.WriteLine("== 3. Generated passes against the declared body, run operator by operator");
        var results = Consistency.Check(loaded.Model, ids.Count > 1 ? ids : [ids[0], ids[0]]);
        foreach (var result in results)
            terminal.Output.WriteLine(FormattableString.Invariant($"{result.Name,-8} largest difference of a logit {result.MaxAbsolute:0.0e+0}  {(result.IsOk ? "equal" : "DIFFERENT")}"));
        if (results.Any(result => !result.IsOk))
        {
            terminal.Fail($"The generated '{results.First(result => !result.IsOk).Name}' pass differs from the declaration.");
            return CommandLine.Failed;
        }

        terminal.Output.WriteLine("== 4. Text");
        Write(terminal, loaded, prompt, ids, options, cancellation);
        return CommandLine.Success;
    }

    private static void Write(Terminal terminal, LoadedModel loaded, string prompt, IReadOnlyList<int> ids, GenerationOptions options, CancellationToken cancellation)
    {
        var speed = new GenerateCommand.Speed();
        terminal.Output.Write(prompt);
        foreach (var piece in loaded.CreateGenerator().Generate([ids], options, cancellation))
        {
            speed.Count();
            terminal.Output.Write(piece.Text);
            terminal.Output.Flush();
        }

        terminal.Output.WriteLine();
        terminal.Output.WriteLine(FormattableString.Invariant($"[{speed.Tokens} tokens, {speed.PerSecond:0} tokens/s]"));
    }

    private static string Shipped()
    {
        var folder = Path.Combine(AppContext.BaseDirectory, Folder);
        return Directory.Exists(folder)
            ? folder
            : throw new InvalidInputException($"The demo's model is not in {folder}: build the command from a complete copy of the repository, or give --checkpoint.");
    }
}
