using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Cli;
using Generated.Cli.Commands;
using Generated.Loading;
using Generated.Tokenization;
using Generated.Verification;

namespace Cli.Tests;

/// <summary>Long work says how far it is, on the error stream alone.</summary>
public sealed class ProgressTests
{
    [Fact]
    public void Tokenizing_ReportsTheShareOfTheFiles()
    {
        using var folder = Data.Temporary();
        File.WriteAllText(folder["a.txt"], new string('a', 300));
        File.WriteAllText(folder["b.txt"], new string('b', 100));
        var shares = new Shares();
        var tokenizer = TokenizerLoader.Load(Data.Demo);
        var tokens = PretrainCommand.Tokenize(tokenizer, [folder["a.txt"], folder["b.txt"]], shares);
        Assert.Equal([0.75, 1], shares.Reported);
        Assert.Equal([.. tokenizer.Encode(new string('a', 300)), .. tokenizer.Encode(new string('b', 100))], tokens);
    }

    [Fact]
    public void Verifying_ReportsUpToTheEnd()
    {
        ArchitectureRegistry.Register(Generated.Models.GeneratedArchitectures.All);
        using var golden = Checkpoint.Open(Data.Fixture("llama", "golden.safetensors"));
        using var loaded = ModelLoader.Load(Data.Fixture("llama"));
        var shares = new Shares();
        var results = VerifyCommand.Run(new Verifier(loaded, golden), VerifyCommand.Values(golden, idsOnly: false), shares);
        Assert.Equal(results.Count, shares.Reported.Count);
        Assert.Equal(shares.Reported.Order(), shares.Reported);
        Assert.Equal(1, shares.Reported[^1]);
        Assert.True(shares.Reported[0] < 0.5);
    }

    [Fact]
    public async Task Bench_NamesItsRounds_BesideTheOutput()
    {
        using StringWriter output = new(), error = new();
        var code = await CommandLine.RunAsync(["bench", Data.Fixture("llama"), "--prompt", "4", "--tokens", "2", "--rounds", "2"], new Terminal(output, error, isInteractive: true));
        Assert.Equal(0, code);
        Assert.Contains("float32: warming up", error.ToString());
        Assert.Contains("float32: round 2 of 2", error.ToString());
        Assert.EndsWith("\r\u001b[K", error.ToString()); // nothing is left on the line
        Assert.DoesNotContain("round", output.ToString());
    }

    private sealed class Shares : IProgress<double>
    {
        public List<double> Reported { get; } = [];

        public void Report(double value) => Reported.Add(value);
    }
}
