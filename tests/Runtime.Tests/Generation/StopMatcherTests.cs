using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Generated.Generation;

namespace Runtime.Tests.Generation;

public sealed class StopMatcherTests
{
    [Fact]
    public void Stop_AcrossPieces_IsFound_AndNothingOfItEmitted()
    {
        var matcher = new StopMatcher(["\nUser:"]);
        Assert.Equal("Hello", matcher.Add("Hello\nUs"));
        Assert.Equal("", matcher.Add("er"));
        Assert.Equal("", matcher.Add(": what"));
        Assert.True(matcher.IsStopped);
        Assert.Equal("", matcher.Flush());
    }

    [Fact]
    public void Beginning_ThatIsNoStop_IsReleased()
    {
        var matcher = new StopMatcher(["abc"]);
        Assert.Equal("x", matcher.Add("xab"));
        Assert.Equal("abx", matcher.Add("x"));
        Assert.Equal("", matcher.Add("ab"));
        Assert.Equal("ab", matcher.Flush());
        Assert.False(matcher.IsStopped);
    }

    /// <summary>However the text is cut, what comes out is the text up to the stop string that is complete first.</summary>
    [Property(MaxTest = 500)]
    public Property AnyCut_GivesTheTextBeforeTheFirstStop()
    {
        var letters = Gen.Elements("a", "b", "ab", "ba", "aab", "c").ListOf();
        var stops = Gen.Elements("ab", "ba", "aa", "cab", "abab", "ccc").ListOf(2);
        return Prop.ForAll(letters.ToArbitrary(), stops.ToArbitrary(), (pieces, ends) =>
        {
            var text = string.Concat(pieces);
            // The stop that is complete first decides; of those complete at the same character, the longest.
            var complete = Enumerable.Range(1, text.Length)
                .SelectMany(end => ends.Where(stop => text[..end].EndsWith(stop, StringComparison.Ordinal)).Select(stop => end - stop.Length).Order().Take(1))
                .Take(1).ToArray();
            var expected = complete.Length > 0 ? text[..complete[0]] : text;

            // Single characters: the moment of stopping is then exact.
            var matcher = new StopMatcher([.. ends]);
            var actual = string.Concat(text.Select(c => matcher.Add(c.ToString()))) + matcher.Flush();
            var inPieces = new StopMatcher([.. ends]);
            var cut = string.Concat(pieces.Select(inPieces.Add)) + inPieces.Flush();
            return actual == expected && inPieces.IsStopped == matcher.IsStopped && text.StartsWith(cut, StringComparison.Ordinal)
                && !ends.Any(stop => cut.Contains(stop, StringComparison.Ordinal));
        });
    }
}
