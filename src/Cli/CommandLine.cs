using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using System.Runtime.InteropServices;
using Generated.Architectures;
using Generated.Cli.Commands;

namespace Generated.Cli;

/// <summary>
/// The <c>generated</c> command. Exit codes: 0 success, 1 the check or the work failed, 2 wrong usage or unusable input.
/// Errors are one sentence on the error stream.
/// </summary>
internal static class CommandLine
{
    public const int Success = 0;
    public const int Failed = 1;
    public const int BadInput = 2;

    /// <summary>After Ctrl-C, work gets this long to end in order; training saves its state first.</summary>
    private static readonly TimeSpan TimeToStop = TimeSpan.FromSeconds(30);

    /// <summary>Parses and runs a command line.</summary>
    public static async Task<int> RunAsync(IReadOnlyList<string> args, Terminal terminal, CancellationToken cancellation = default)
    {
        // Naming the assembly loads it, and its module registers what it declares.
        ArchitectureRegistry.Register(Models.GeneratedArchitectures.All);
        Quant.Formats.QuantizedLoader.Register();
        var root = Build(terminal);
        var parse = root.Parse(args);
        if (WrongUsage(parse) is { } wrong)
        {
            terminal.Fail($"{wrong}; see {string.Join(' ', Help.Path(parse.CommandResult))} --help.");
            return BadInput;
        }

        try
        {
            var settings = new InvocationConfiguration
            {
                Output = terminal.Output,
                Error = terminal.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = TimeToStop,
            };
            return await parse.InvokeAsync(settings, cancellation);
        }
        catch (Exception e)
        {
            return Report(e, terminal);
        }
    }

    private static RootCommand Build(Terminal terminal)
    {
        var root = new RootCommand("Generated: declare an LLM architecture once, derive the rest.")
        {
            DemoCommand.Create(terminal),
            InspectCommand.Create(terminal),
            GenerateCommand.Create(terminal),
            VerifyCommand.Create(terminal),
            EvaluateCommand.Create(terminal),
            ConvertCommand.Create(terminal),
            QuantizeCommand.Create(terminal),
            AnalyzeCommand.Create(terminal),
            PretrainCommand.Create(terminal),
            BenchCommand.Create(terminal),
            TokenizeCommand.Create(terminal),
            TrainTokenizerCommand.Create(terminal),
        };
        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new Help((HelpAction)help.Action!);
        return root;
    }

    /// <summary>What is wrong with a command line, or null.</summary>
    private static string? WrongUsage(ParseResult parse)
    {
        if (parse.Errors.Count > 0)
        {
            return parse.CommandResult.Command is RootCommand && parse.UnmatchedTokens.Count > 0
                ? $"There is no command or option '{parse.UnmatchedTokens[0]}'"
                : OneSentence(parse.Errors[0].Message);
        }

        // Arguments are files and folders; an empty one is a shell's variable that is not set.
        var empty = parse.CommandResult.Children.OfType<ArgumentResult>().FirstOrDefault(argument => argument.Tokens.Any(token => token.Value.Length == 0));
        return empty is null ? null : $"<{empty.Argument.Name}> is empty";
    }

    private static int Report(Exception failure, Terminal terminal)
    {
        var (code, message) = failure switch
        {
            InvalidInputException => (BadInput, failure.Message),
            GeneratedException => (Failed, failure.Message),
            OperationCanceledException => (Failed, "Cancelled."),
            IOException or UnauthorizedAccessException => (Failed, failure.Message),
            OutOfMemoryException => (Failed, "There is not enough memory for this; try a smaller model, --dtype bfloat16 or a smaller window."),
            ExternalException => (Failed, "libtorch failed: " + FirstLine(failure.Message)),
            _ => (Failed, $"Unexpected failure, please report it: {failure}"),
        };
        terminal.Fail(message);
        return code;
    }

    /// <summary>A message of the parser's without its full stop; what it lists line by line (the values that an option takes) becomes a list in the sentence.</summary>
    private static string OneSentence(string message)
    {
        var lines = message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return string.Join(' ', lines.Take(1).Append(string.Join(", ", lines.Skip(1)))).TrimEnd(' ', '.');
    }

    /// <summary>libtorch's messages carry a C++ stack after the first line.</summary>
    private static string FirstLine(string message) => message.AsSpan(0, message.AsSpan().IndexOfAny('\r', '\n') is var end and >= 0 ? end : message.Length).ToString();
}
