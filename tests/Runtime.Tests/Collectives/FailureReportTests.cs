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
}
