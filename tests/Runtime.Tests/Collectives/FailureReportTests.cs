using Generated.Parallel;

namespace Runtime.Tests.Collectives;

public sealed class FailureReportTests
{
    private const string Stopped = """{"Rank":1,"Message":"Cancelled."}""";

    [Fact]
    public void OneRanksMessage_NamesTheRank_AndThoseItStoppedAreLeftOut() =>
        Assert.Equal(["rank 0: a.safetensors is empty."], FailureReport.Messages(["""{"Rank":0,"Message":"a.safetensors is empty."}""", Stopped]));

    [Fact]
    public void TheSameMessageOfSeveralRanks_IsSaidOnce() =>
        Assert.Equal(["No."], FailureReport.Messages(["""{"Rank":0,"Message":"No."}""", """{"Rank":1,"Message":"No."}""", """{"Rank":2,"Mess"""]));

    [Fact]
    public void AStoppedJob_SaysSo() => Assert.Equal(["rank 1: Cancelled."], FailureReport.Messages([Stopped]));

    [Theory]
    [InlineData(137, "The job ended with exit code 137 (signal 9), and no rank said why.")]
    [InlineData(243, "The job ended with exit code 243, and no rank said why.")] // mpirun's own, beyond the last signal
    [InlineData(2, null)] // a rank that refuses its input has said so
    [InlineData(0, null)]
    public void SilentEnd_IsReportedWithItsSignal(int code, string? expected)
    {
        var reported = new List<string>();
        Assert.Equal(code, FailureReport.Collect(new Dictionary<string, string?>(), () => code, reported.Add));
        Assert.Equal(expected is null ? [] : [expected], reported);
    }
}
