using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Runtime.CompilerServices;

namespace Generated.Cli;

/// <summary>The usual help, followed by the command's examples.</summary>
internal sealed class Help(HelpAction standard) : SynchronousCommandLineAction
{
    private static readonly ConditionalWeakTable<Command, string[]> Examples = [];

    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;

    /// <summary>Gives a command its examples: command lines without the leading <c>generated</c>.</summary>
    public static Command WithExamples(Command command, params string[] examples)
    {
        Examples.Add(command, examples);
        return command;
    }

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        var code = standard.Invoke(parseResult);
        if (Examples.TryGetValue(parseResult.CommandResult.Command, out var examples))
        {
            var output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            foreach (var example in examples)
                output.WriteLine("  generated " + example);
            output.WriteLine();
        }

        return code;
    }

    /// <summary>The names of a command and those above it.</summary>
    public static IEnumerable<string> Path(CommandResult result) =>
        (result.Parent is CommandResult parent ? Path(parent) : []).Append(result.Command is RootCommand ? "generated" : result.Command.Name);
}
