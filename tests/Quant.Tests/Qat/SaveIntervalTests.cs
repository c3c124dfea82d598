using Generated.Quant.Qat;

namespace Quant.Tests.Qat;

/// <summary>When the state of a training is written.</summary>
public sealed class SaveIntervalTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    public void ByTime_WritingTakesLessThanATwentieth(int secondsOfWriting)
    {
        var clock = new Clock();
        var interval = new SaveInterval(null, clock);
        var (worked, written) = (0, 0);
        for (var step = 1; worked < 3600; step++)
        {
            clock.Now += TimeSpan.FromSeconds(1);
            worked++;
            if (!interval.IsDue(step))
                continue;
            interval.Time(() => clock.Now += TimeSpan.FromSeconds(secondsOfWriting));
            written += secondsOfWriting;
        }

        // The first state comes after half a minute whatever it will take.
        Assert.InRange(written, 1, (worked + written) / 20 + secondsOfWriting);
        Assert.Equal(secondsOfWriting == 1 ? 3600 / 30 : 1 + (3600 - 30) / 200, written / secondsOfWriting);
        Assert.False(interval.IsNever);
    }

    [Fact]
    public void BySteps_TimeDoesNotCount()
    {
        var clock = new Clock();
        var (every, never) = (new SaveInterval(3, clock), new SaveInterval(0, clock));
        clock.Now += TimeSpan.FromDays(1);
        Assert.Equal([3L, 6, 9], Enumerable.Range(1, 10).Select(step => (long)step).Where(every.IsDue));
        Assert.DoesNotContain(Enumerable.Range(1, 10), step => never.IsDue(step));
        Assert.True(never.IsNever && !every.IsNever);
    }

    private sealed class Clock : TimeProvider
    {
        public TimeSpan Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }
}
