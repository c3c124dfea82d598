using Generated;
using Generated.Layers;
using Generated.Parallel;
using Generated.Passes;
using Generated.Quant.Layers;
using static TorchSharp.torch;

namespace Quant.Tests.Layers;

/// <summary>Two ranks give what one gives: each holds its rows or columns of codes, scales, zero points, transforms and bias.</summary>
public sealed class TensorParallelLinearTests
{
    private const int In = 128;
    private const int Out = 48;
    private static readonly SequenceInputs Inputs = new(1, 1, 0, [0], AttentionMask.Causal);

    public static TheoryData<string, ShardKind> Cases()
    {
        var data = new TheoryData<string, ShardKind>();
        foreach (var kind in new[] { ShardKind.Column, ShardKind.Row, ShardKind.Vocabulary })
            foreach (var name in LinearCase.All.Where(c => kind != ShardKind.Row || !c.ActOrder).Select(c => c.Name))
                data.Add(name, kind);
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void TwoRanks_GiveWhatOneGives(string name, ShardKind kind)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var state = LinearCase.Find(name).State(Out, In);
        using var alone = new BuildContext(new BuildOptions());
        using var whole = QuantizedLinear.Create(new DenseLinear(alone, In, Out), state);
        using var pass = new PassContext(Inputs);
        var (few, many) = (rand(1, 2, In) * 4 - 2, rand(1, 12, In) * 4 - 2);
        var (expectedFew, expectedMany) = (whole.Decode(few, pass), whole.Apply(many, pass));

        ThreadCollective.Run(2, group =>
        {
            using var inner = NewDisposeScope();
            using var off = no_grad();
            using var build = new BuildContext(new BuildOptions { TensorParallel = group });
            using var rankPass = new PassContext(Inputs);
            var shard = kind switch { ShardKind.Row => Shard.Row(), ShardKind.Column => Shard.Column(), _ => Shard.Vocabulary };
            using var linear = QuantizedLinear.Create(new DenseLinear(build, In, Out, shard: shard), state);
            Assert.True(linear.Bytes < whole.Bytes * 0.6, $"a rank holds {linear.Bytes} of {whole.Bytes} bytes");
            QuantizedLinearTests.Close(Mine(expectedFew), linear.Decode(Part(few), rankPass), 1e-4, "decode");
            QuantizedLinearTests.Close(Mine(expectedMany), linear.Apply(Part(many), rankPass), 1e-4, "full");
            QuantizedLinearTests.Close(Mine(expectedMany), linear.Eager(new Flow(Part(many), rankPass)).Value, 1e-4, "eager");

            Tensor Part(Tensor x) => kind == ShardKind.Row ? x.narrow(-1, group.Rank * In / 2, In / 2).contiguous() : x;
            Tensor Mine(Tensor y) => kind == ShardKind.Column ? y.narrow(-1, group.Rank * Out / 2, Out / 2) : y;
        });
    }

    [Theory]
    [InlineData("int4 per group, asymmetric, act-order", In, "act-order")]
    [InlineData("int4 per group", 192, "cut through a group of 64")]
    public void GroupsThatWouldBeDivided_AreRefused(string name, int inWidth, string reason) => ThreadCollective.Run(2, group =>
    {
        using var build = new BuildContext(new BuildOptions { TensorParallel = group });
        var place = new DenseLinear(build, inWidth, Out, shard: Shard.Row());
        var refusal = Assert.Throws<InvalidInputException>(() => QuantizedLinear.Create(place, LinearCase.Find(name).State(Out, inWidth)));
        Assert.Contains(reason, refusal.Message);
    });
}
