namespace Cli.Tests;

public sealed class CommandLineTests
{
    [Fact]
    public async Task NoCommand_IsWrongUsage() => (await Run.Of()).Refused(2, "--help");

    [Fact]
    public async Task UnknownOption_IsWrongUsage_AndNamed() => (await Run.Of("tokenize", "x", "--bogus")).Refused(2, "--bogus", "generated tokenize --help");

    [Fact]
    public async Task Help_HasExamples()
    {
        var run = (await Run.Of("tokenize", "--help")).Ok();
        Assert.Contains("Examples:", run.Output);
        Assert.Contains("generated tokenize", run.Output);
    }
}
