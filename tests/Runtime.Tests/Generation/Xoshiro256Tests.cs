using Generated.Generation;

namespace Runtime.Tests.Generation;

public sealed class Xoshiro256Tests
{
    [Fact]
    public void Bits_FollowThePublishedRecurrence()
    {
        // From state {1, 2, 3, 4}: the sequence that the authors' C code gives.
        var random = new Xoshiro256([1, 2, 3, 4]);
        ulong[] expected = [11520, 0, 1509978240, 1215971899390074240, 1216172134540287360];
        Assert.Equal(expected, Enumerable.Range(0, 5).Select(_ => random.NextBits()));
    }

    [Fact]
    public void SavedState_Continues()
    {
        var random = new Xoshiro256(42);
        random.NextBits();
        var copy = new Xoshiro256(random.State);
        Assert.Equal(Enumerable.Range(0, 10).Select(_ => random.NextDouble()), Enumerable.Range(0, 10).Select(_ => copy.NextDouble()));
        Assert.Throws<Generated.InvalidInputException>(() => new Xoshiro256([0, 0, 0, 0]));
    }

    [Fact]
    public void NextLong_IsEvenOverItsRange()
    {
        var random = new Xoshiro256(5);
        var counts = new int[6];
        for (var i = 0; i < 60_000; i++)
            counts[random.NextLong(6)]++;
        Assert.All(counts, count => Assert.InRange(count, 9_600, 10_400));
    }

    [Fact]
    public void Shuffle_KeepsTheItems()
    {
        var items = Enumerable.Range(0, 100).ToArray();
        new Xoshiro256(1).Shuffle<int>(items);
        Assert.NotEqual(Enumerable.Range(0, 100), items);
        Assert.Equal(Enumerable.Range(0, 100), items.Order());
    }
}
