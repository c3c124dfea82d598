using System.Text.Json;
using Generated.Cli;

namespace Cli.Tests;

/// <summary>What a command line gave.</summary>
internal sealed record Run(int Code, string Output, string Error)
{
    /// <summary>Runs a command line in this process.</summary>
    public static async Task<Run> Of(params string[] args)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var code = await CommandLine.RunAsync(args, new Terminal(output, error, isInteractive: false));
        return new Run(code, output.ToString(), error.ToString());
    }

    /// <summary>The output's lines as JSON objects.</summary>
    public JsonElement[] Json => [.. Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement.Clone())];

    /// <summary>Asserts success; returns this.</summary>
    public Run Ok()
    {
        Assert.True(Code == 0, $"exit code {Code}: {Error}");
        return this;
    }

    /// <summary>Asserts an exit code and that the error is one sentence that holds some text; returns this.</summary>
    public Run Refused(int code, params string[] parts)
    {
        Assert.Equal(code, Code);
        Assert.StartsWith("error: ", Error);
        Assert.Equal(1, Error.Count(c => c == '\n'));
        Assert.All(parts, part => Assert.Contains(part, Error));
        return this;
    }
}
