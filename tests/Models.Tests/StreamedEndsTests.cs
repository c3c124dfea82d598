using Generated.Architectures;
using Generated.Layers;
using Generated.Loading;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Models.Tests;

/// <summary>What stays in the checkpoint outside blocks computes as what is in memory, also where it is read in several parts.</summary>
public sealed class StreamedEndsTests
{
    private const int Width = 512;
    private const int Vocabulary = 20_000; // more rows than are read at a time
    private static readonly SequenceInputs One = new(1, 1, 0, [0], AttentionMask.Causal);

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Linear_OfManyRows_MultipliesAsADenseOne(bool unitRows, bool scaled)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        using var build = new BuildContext(new BuildOptions());
        using var shapes = new BuildContext(new BuildOptions { DeferMatrices = true });
        using var pass = new PassContext(One);
        using var dense = new DenseLinear(build, Width, Vocabulary, bias: true, unitRows: unitRows);
        dense.Weight.Value.copy_(randn(Vocabulary, Width));
        var stored = dense.Weight.Value.clone();
        var shape = new DenseLinear(shapes, Width, Vocabulary, bias: true, unitRows: unitRows);
        dense.Bias!.Value.copy_(randn(Vocabulary));
        shape.Bias!.Value.copy_(dense.Bias.Value);
        var reads = 0;
        using var streamed = new StreamedLinear(shape, ScalarType.Float32, (rows, destination) =>
        {
            reads++;
            destination.copy_(stored.narrow(0, rows.Start, rows.Length));
        });
        Assert.Equal(unitRows, streamed.HasUnitRows);
        if (scaled)
        {
            var scale = rand(Width) + 0.5;
            foreach (var linear in new IMatrixLinear[] { dense, streamed })
            {
                linear.FixUnitRows();
                linear.ScaleColumns(scale);
                linear.ScaleColumns(scale);
                Assert.False(linear.HasUnitRows);
            }

            Close(dense.Weight.Value, streamed.Rows(0, Vocabulary));
        }

        foreach (var rows in new[] { 1, 3, 40 })
        {
            var x = randn(1, rows, Width);
            var before = reads;
            Close(dense.Apply(x, pass), streamed.Apply(x, pass));
            Assert.True(reads - before > 1);
            Close(dense.Decode(x.narrow(1, 0, 1).contiguous(), pass), streamed.Decode(x.narrow(1, 0, 1).contiguous(), pass));
        }
    }

    [Fact]
    public void Embedding_ReadsRowsOfTokens_EachOnce_InAnyOrder()
    {
        using var scope = NewDisposeScope();
        var matrix = randn(50, 8);
        var read = new List<WeightRange>();
        using var table = new StreamedEmbedding(50, 8, ScalarType.Float32, (rows, destination) =>
        {
            read.Add(rows);
            destination.copy_(matrix.narrow(0, rows.Start, rows.Length));
        });
        var ids = tensor(new long[] { 7, 49, 3, 7, 4, 0, 7, 5 });
        Assert.Equal(matrix.index_select(0, ids).data<float>().ToArray(), table.Rows(ids).data<float>().ToArray());
        Assert.Equal([new WeightRange(0, 1), new WeightRange(3, 3), new WeightRange(7, 1), new WeightRange(49, 1)], read);
        Assert.Equal(matrix.narrow(0, 10, 5).contiguous().data<float>().ToArray(), table.Rows(10, 5).data<float>().ToArray());
    }

    [Theory]
    [InlineData("llama", false)]
    [InlineData("bloom", true)]
    public void Ends_OfACheckpoint_StayThere(string fixture, bool tied)
    {
        using var streamed = StreamedModel.Open(Fixtures.Folder(fixture));
        using var ends = streamed.LoadEnds();
        var head = Assert.IsType<StreamedLinear>(ends.Linears().Single(slot => slot.Block < 0).Linear);
        Assert.Equal(tied, head.IsTied);
        Assert.Contains(ends.Weights(), slot => slot.Layer is Embedding { Table: StreamedEmbedding });
        Assert.All(ends.Parameters().Where(parameter => parameter.Shape.Count == 2), matrix => Assert.Equal(DeviceType.META, matrix.Value.device_type));
    }

    private static void Close(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.shape, actual.shape);
        Assert.True(allclose(expected, actual, 1e-4, 1e-4), $"off by {(expected - actual).abs().max().item<float>()}");
    }
}
