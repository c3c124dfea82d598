using Generated.Cli;
using Generated.Cli.Commands;
using Generated.Quant.Pipeline;

namespace Cli.Tests;

/// <summary>Progress in a log, and the exit code of a report.</summary>
public sealed class ProgressLinesTests
{
    [Fact]
    public void Lines_ComeNowAndThen_NameThePart_AndSayTheTimeLeft()
    {
        using var error = new StringWriter { NewLine = "\n" };
        var clock = new Clock();
        var lines = new ProgressLines(error, "Quantizing llama", clock);
        // It goes on where another run stopped: the first half took no time.
        Tell("block 17 of 32", 0.5);
        clock.Now += TimeSpan.FromSeconds(20);
        Tell("block 18 of 32", 0.525);
        clock.Now += TimeSpan.FromSeconds(20);
        Tell("block 19 of 32", 0.55);
        Tell("block 20 of 32", 0.575);
        clock.Now += TimeSpan.FromHours(1);
        Tell("block 21 of 32", 0.6);
        clock.Now += TimeSpan.FromHours(1);
        Tell("files", 1);
        Assert.Equal("Quantizing llama: 55 %, block 19 of 32, about 0:06:00 left\nQuantizing llama: 60 %, block 21 of 32, about 4:02:40 left\n", error.ToString());

        void Tell(string what, double share)
        {
            lines.Working(what);
            lines.Done(share);
        }
    }

    [Theory]
    [InlineData(101, 50, 20, "The files are larger")]
    [InlineData(50, 101, 20, "take more memory")]
    [InlineData(50, 50, 9, "is slower")]
    [InlineData(50, 50, 0, "speed was not measured")]
    [InlineData(50, 50, 20, null)]
    public void Strict_FailsForEveryWarning_AndOnlyThen(long files, long memory, int speed, string? warning)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var terminal = new Terminal(output, error, isInteractive: false);
        var report = new QuantizationReport
        {
            Recipe = "",
            RecipeHash = "",
            Linears = [],
            FileBytesBefore = 100,
            FileBytesAfter = files,
            MemoryBytesBefore = 100,
            MemoryBytesAfter = memory,
            TokensPerSecondBefore = 10,
            TokensPerSecondAfter = speed == 0 ? null : speed,
        };
        Assert.Equal(0, QuantizeCommand.Judge(terminal, report, isStrict: false));
        Assert.Equal(warning is null ? 0 : 1, QuantizeCommand.Judge(terminal, report, isStrict: true));
        if (warning is null)
            Assert.Empty(error.ToString());
        else
            Assert.Contains(warning, error.ToString());
        Assert.Empty(output.ToString());
    }

    private sealed class Clock : TimeProvider
    {
        public TimeSpan Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }
}
