using Generated.Parallel;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Collectives;

public class ThreadCollectiveTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void EveryCollective_GivesTheDocumentedResult(int size) =>
        ThreadCollective.Run(size, CollectiveContract.Check);

    [Fact]
    public void SingleCollective_GivesTheDocumentedResult()
    {
        using var single = new SingleCollective();
        CollectiveContract.Check(single);
    }

    [Fact]
    public void AllReduce_OfHalves_RoundsTheFloatSumOnce() =>
        ThreadCollective.Run(3, group =>
        {
            using var x = tensor(new[] { 1f, 256f, 0.1f }).to(ScalarType.BFloat16);
            group.AllReduce(x);
            using var wide = tensor(new[] { 1f, 256f, 0.1f }).to(ScalarType.BFloat16).to(ScalarType.Float32);
            using var expected = (wide * 3).to(ScalarType.BFloat16);
            Assert.Equal(expected.to(ScalarType.Float32).data<float>().ToArray(), x.to(ScalarType.Float32).data<float>().ToArray());
        });

    [Fact]
    public void RankThatThrows_ReleasesTheOthersWithItsMessage()
    {
        var messages = new string?[3];
        var e = Assert.Throws<CollectiveException>(() => ThreadCollective.Run(3, group =>
        {
            if (group.Rank == 1)
                throw new InvalidOperationException("out of coffee");
            using var x = ones(2);
            try
            {
                group.AllReduce(x);
            }
            catch (CollectiveException released)
            {
                messages[group.Rank] = released.Message;
                throw;
            }
        }));
        Assert.Equal("Rank 1 failed: out of coffee", e.Message);
        Assert.IsType<InvalidOperationException>(e.InnerException);
        Assert.Equal(e.Message, messages[0]);
        Assert.Equal(e.Message, messages[2]);
    }

    [Fact]
    public void RankThatEndsEarly_IsNamed()
    {
        var e = Assert.Throws<CollectiveException>(() => ThreadCollective.Run(2, group =>
        {
            if (group.Rank == 0)
                group.Barrier();
        }));
        Assert.Contains("Rank 1 has ended while rank 0 waits for it in Barrier", e.Message);
    }

    [Fact]
    public void RanksInDifferentCalls_AreNamed()
    {
        var e = Assert.Throws<CollectiveException>(() => ThreadCollective.Run(2, group =>
        {
            using var x = ones(group.Rank + 1);
            group.AllReduce(x);
        }));
        Assert.Contains("Ranks disagree", e.Message);
        Assert.Contains("Float32[1]", e.Message);
        Assert.Contains("Float32[2]", e.Message);
    }

    [Fact]
    public void RankThatHangs_RunsIntoTheTimeout()
    {
        using var release = new ManualResetEventSlim();
        var e = Assert.Throws<CollectiveException>(() => ThreadCollective.Run(2, group =>
        {
            try
            {
                if (group.Rank == 0)
                    group.Barrier();
                else
                    release.Wait(TimeSpan.FromSeconds(20));
            }
            finally
            {
                release.Set();
            }
        }, TimeSpan.FromMilliseconds(200)));
        Assert.Contains("waited longer than 0.2 s in Barrier", e.Message);
    }

    [Fact]
    public void TensorThatIsNotContiguous_IsRefused()
    {
        using var group = new SingleCollective();
        using var x = zeros(2, 3);
        using var transposed = x.t();
        Assert.Throws<ArgumentException>(() => group.AllReduce(transposed));
    }

    [Fact]
    public void ReceiveOfAnotherShape_NamesBoth()
    {
        var e = Assert.Throws<CollectiveException>(() => ThreadCollective.Run(2, group =>
        {
            using var x = zeros(group.Rank + 1);
            if (group.Rank == 0)
                group.Send(x, 1);
            else
                group.Receive(x, 0);
        }));
        Assert.Contains("Float32[2]", e.Message);
        Assert.Contains("Float32[1]", e.Message);
    }
}
