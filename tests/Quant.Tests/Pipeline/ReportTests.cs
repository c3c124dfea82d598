using Generated.Quant.Calibration;
using Generated.Quant.Pipeline;
using Generated.Quant.Recipes;

namespace Quant.Tests.Pipeline;

/// <summary>What a report measures, says it has not measured, and warns of.</summary>
public sealed class ReportTests
{
    private static readonly QuantizationReport Better = new()
    {
        Recipe = "w8",
        RecipeHash = "",
        Linears = [],
        FileBytesBefore = 100,
        FileBytesAfter = 50,
        MemoryBytesBefore = 100,
        MemoryBytesAfter = 50,
        TokensPerSecondBefore = 10,
        TokensPerSecondAfter = 20,
    };

    static ReportTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    public static TheoryData<string> Names => [.. Fixtures.Names];

    [Fact]
    public void Warnings_NameWhatIsWorse_AndNothingElse()
    {
        Assert.Empty(Better.Warnings);
        Assert.Contains("The files are larger than before: 101 bytes instead of 100", Assert.Single((Better with { FileBytesAfter = 101 }).Warnings));
        Assert.Contains("The weights take more memory than before: 120 bytes instead of 100", Assert.Single((Better with { MemoryBytesAfter = 120 }).Warnings));
        Assert.Contains("Decoding is slower than before: 9.5 tokens/s instead of 10", Assert.Single((Better with { TokensPerSecondAfter = 9.5 }).Warnings));
        Assert.Contains("speed was not measured", Assert.Single((Better with { TokensPerSecondAfter = null }).Warnings));
        Assert.Equal(3, (Better with { FileBytesAfter = 100, MemoryBytesAfter = 100, TokensPerSecondAfter = 1 }).Warnings.Count);
    }

    /// <summary>Also where a prompt of ordinary tokens would lack what the architecture's prompts end in.</summary>
    [Theory, MemberData(nameof(Names))]
    public void WithoutAnyTokens_SpeedIsMeasured_AndPerplexitySaidToBeMissing(string name)
    {
        using var folder = new TemporaryFolder();
        var report = Quantizer.Run(new QuantizeOptions { Source = Stories.Fixture(name), Target = folder["q"], Recipe = NamedRecipes.Get("w8") });
        Assert.True(report is { TokensPerSecondBefore: > 0, TokensPerSecondAfter: > 0 });
        Assert.Null(report.PerplexityAfter);
        Assert.Contains("--evaluation", Assert.Single(report.Notes, note => note.StartsWith("Perplexity was not measured", StringComparison.Ordinal)));
        Assert.True(report.PeakResidentBytes > report.MemoryBytesAfter);
    }

    [Fact]
    public void WithHeldOutTokens_NothingIsSaidToBeMissing()
    {
        using var folder = new TemporaryFolder();
        var report = Quantizer.Run(new QuantizeOptions
        {
            Source = Stories.Fixture("llama"),
            Target = folder["q"],
            Recipe = NamedRecipes.Get("w8"),
            CalibrationFile = Fixtures.Calibration("llama", folder, count: 4),
            Calibration = new CalibrationOptions { To = 0.5 },
        });
        Assert.NotNull(report.PerplexityAfter);
        Assert.DoesNotContain(report.Notes, note => note.Contains("not measured", StringComparison.Ordinal));
        Assert.DoesNotContain("resident", System.Text.Encoding.UTF8.GetString(report.ToJson())); // equal runs give equal bytes
    }

    [Fact]
    public void Working_NamesEveryPartBeforeItsShareIsTold()
    {
        using var folder = new TemporaryFolder();
        var log = new Log();
        Quantizer.Run(new QuantizeOptions
        {
            Source = Stories.Fixture("llama"),
            Target = folder["q"],
            Recipe = NamedRecipes.Get("w8a8"),
            CalibrationFile = Fixtures.Calibration("llama", folder, count: 2),
            Calibration = new CalibrationOptions { To = 1 },
            Working = log,
            Progress = log,
        });
        Assert.Equal(
            ["what is before the blocks", "0", "block 1 of 3", "0.2", "block 2 of 3", "0.4", "block 3 of 3", "0.6", "what is behind the blocks", "0.8", "files", "1"],
            log.Lines);
    }

    private sealed class Log : IProgress<string>, IProgress<double>
    {
        public List<string> Lines { get; } = [];

        public void Report(string value) => Lines.Add(value);

        public void Report(double value) => Lines.Add(FormattableString.Invariant($"{value:0.##}"));
    }
}
