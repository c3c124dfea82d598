using Generated.Layers;
using Generated.Parallel;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Layers;

/// <summary>A model built without matrices takes no memory for those that are replaced, and is the same model once the rest have theirs.</summary>
public sealed class DeferredMatricesTests
{
    /// <summary>Looks rows up in a table of its own.</summary>
    private sealed class CopyTable(Tensor rows) : EmbeddingTable
    {
        public override long Bytes => rows.numel() * rows.ElementSize;

        public override Tensor Rows(Tensor indices) => rows.index_select(0, indices);

        public override void Dispose() => rows.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AllocatedMatrices_MakeTheSameModel_AndAreFusedAgain(bool tied)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var config = new TinyConfig { Bias = true, Tied = tied };
        using var usual = Weights.Model(config);
        using var deferred = TinyDecoder.Create(config, new BuildOptions { DeferMatrices = true });
        Assert.All(deferred.Weights().Where(w => w.Shape.Count == 2), w => Assert.Equal(DeviceType.META, w.Parameter!.Value.device_type));
        deferred.AllocateMatrices();
        Assert.All(deferred.Parameters(), p => Assert.Equal(DeviceType.CPU, p.Value.device_type));
        Weights.Fill(deferred, Weights.Random(usual));
        Assert.All(deferred.Context.Fused, fused => Assert.True(fused.IsFused));
        var batch = new TokenBatch(1, 3, [1, 5, 9]);
        using var ids = batch.ToTensor(CPU);
        using var pass = new PassContext(usual.Inputs.Prompt(batch));
        using (var cache = deferred.NewCache(1, 3))
        using (var prefill = new PassContext(usual.Inputs.Prompt(batch), cache))
            Weights.Close(usual.Full(ids, pass).narrow(1, 2, 1), deferred.Prefill(ids, prefill), "logits");
    }

    [Fact]
    public void ReplacedLinears_GetNoMatrix()
    {
        using var scope = NewDisposeScope();
        var replacement = new BuildContext(new BuildOptions());
        using var model = TinyDecoder.Create(new TinyConfig(), new BuildOptions { DeferMatrices = true });
        var slot = model.Linears().First(l => l.Block == 0);
        var before = (DenseLinear)slot.Linear;
        slot.Linear = new DenseLinear(replacement, before.InWidth, before.OutWidth);
        model.AllocateMatrices();
        Assert.Equal(DeviceType.META, before.Weight.Value.device_type);
        Assert.All(model.Parameters(), p => Assert.Equal(DeviceType.CPU, p.Value.device_type));
        replacement.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Embeddings_LookUpInTheTableThatReplacesTheirMatrix(int ranks)
    {
        using var whole = randn(10, 4);
        ThreadCollective.Run(ranks, group =>
        {
            using var scope = NewDisposeScope();
            using var build = new BuildContext(new BuildOptions { TensorParallel = group, DeferMatrices = true });
            using var pass = new PassContext(new SequenceInputs(2, 3, 0, new long[6], AttentionMask.Causal));
            var embedding = new Embedding(build, 10, 4, Shard.Vocabulary);
            embedding.Replace(new CopyTable(whole.narrow(0, embedding.Rows.Start, embedding.Rows.Length).clone().DetachFromDisposeScope()));
            using var ids = tensor(new long[] { 0, 9, 4, 3, 7, 0 }).view(2, 3);
            Weights.Close(whole.index_select(0, ids.view(-1)).view(2, 3, 4), embedding.Apply(ids, pass), "rows", 0, 0);
            Assert.Null(embedding.Share(Generated.Architectures.TensorKind.Weight));
        });
    }
}
