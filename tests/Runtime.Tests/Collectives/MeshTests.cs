using FsCheck.Xunit;
using Generated;
using Generated.Parallel;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Collectives;

public class MeshTests
{
    [Fact]
    public void LastAxis_HoldsNeighbours()
    {
        var places = ThreadCollective.Run(8, world =>
        {
            using var mesh = new Mesh(world, ("pp", 2), ("dp", 2), ("tp", 2));
            using var member = full([1], world.Rank, ScalarType.Int64);
            long Sum(params string[] axes)
            {
                using var x = member.clone();
                mesh.Group(axes).AllReduce(x);
                return x.item<long>();
            }
            return (mesh.Index("pp"), mesh.Index("dp"), mesh.Index("tp"), Sum("tp"), Sum("dp"), Sum("tp", "pp"), Sum("pp", "dp", "tp"), mesh.Group("sp").Size);
        });
        Assert.Equal((0, 0, 0, 1, 2, 10, 28, 1), places[0]);
        Assert.Equal((0, 1, 1, 5, 4, 18, 28, 1), places[3]);
        Assert.Equal((1, 1, 0, 13, 10, 18, 28, 1), places[6]);
    }

    [Property(MaxTest = 30)]
    public void Groups_CoverEveryRankOnce(byte a, byte b, byte c)
    {
        var (x, y, z) = (a % 2 + 1, b % 3 + 1, c % 2 + 1);
        ThreadCollective.Run(x * y * z, world =>
        {
            using var mesh = new Mesh(world, ("x", x), ("y", y), ("z", z));
            foreach (var axes in new[] { ["x"], ["y"], ["x", "z"], new[] { "z", "x", "y" } })
            {
                var group = mesh.Group(axes);
                var ranks = group.AllGatherBytes([(byte)world.Rank]).Select(r => (int)r[0]).ToArray();
                Assert.Equal(axes.Aggregate(1, (p, axis) => p * mesh.Size(axis)), ranks.Length);
                Assert.Equal(world.Rank, ranks[group.Rank]);
                Assert.Equal(ranks.Order(), ranks);
            }
        });
    }

    [Fact]
    public void SizesThatDoNotFit_AreRefused()
    {
        using var world = new SingleCollective();
        var e = Assert.Throws<InvalidInputException>(() => new Mesh(world, ("dp", 2), ("tp", 1)));
        Assert.Contains("dp 2 x tp 1 does not fit 1 rank(s)", e.Message);
        Assert.Throws<InvalidInputException>(() => new Mesh(world, ("tp", 1), ("tp", 1)));
        Assert.Throws<InvalidInputException>(() => new Mesh(world, ("tp", 0)));
    }
}
