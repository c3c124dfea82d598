using Generated;
using Generated.Layers;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Layers;

/// <summary>Every native tensor is freed by whoever owns it, not by the garbage collector.</summary>
[Collection(nameof(MemoryTests))]
[CollectionDefinition(nameof(MemoryTests), DisableParallelization = true)]
public sealed class MemoryTests
{
    public MemoryTests()
    {
        // What earlier tests left to the garbage collector must not be freed while these count.
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    private static readonly TinyConfig[] Configs =
    [
        new() { KvHeads = 2, Bias = true },
        new() { IsRotary = false, Alibi = true, LayerNorm = true, Tied = true, PositionOffset = 0 },
        new() { Positions = PositionKind.SequenceAndBlock, UnitRows = true, Window = 3, LogNLength = 4 },
    ];

    [Theory]
    [InlineData(ScalarType.Float32, true)]
    [InlineData(ScalarType.BFloat16, false)]
    public void DecodeSteps_LeaveNothing(ScalarType dtype, bool padded)
    {
        foreach (var config in Configs)
        {
            using var _ = no_grad();
            var before = Tensor.TotalCount;
            using (var model = TinyDecoder.Create(config, new BuildOptions { Dtype = dtype }))
            {
                Weights.Constant(model);
                const int length = 60;
                var prompt = new TokenBatch(2, 3, [1, 2, 3, 4, 5, 6], padded ? [false, true, true, true, true, true] : null);
                using var ids = prompt.ToTensor(CPU);
                using var cache = model.NewCache(2, length);
                var steady = 0L;
                for (var round = 0; round < 40; round++)
                {
                    var inputs = model.Inputs.Prompt(prompt);
                    using (var pass = new PassContext(inputs, cache))
                        model.Prefill(ids, pass).Dispose();
                    using var token = ids.narrow(1, 0, 1);
                    for (var step = 3; step < length; step++)
                    {
                        inputs = model.Inputs.Continue(inputs);
                        using var pass = new PassContext(inputs, cache);
                        model.Decode(token, pass).Dispose();
                    }

                    if (round == 0)
                        steady = Tensor.TotalCount; // rotary tables are made in the first round and kept
                    else
                        Assert.Equal(steady, Tensor.TotalCount);
                }
            }

            Assert.Equal(before, Tensor.TotalCount);
        }
    }

    [Fact]
    public void FullPassesAndEagerRuns_LeaveNothing()
    {
        foreach (var config in Configs)
        {
            var before = Tensor.TotalCount;
            using (var model = TinyDecoder.Create(config, new BuildOptions { Trainable = true }))
            {
                Weights.Constant(model);
                var batch = new TokenBatch(2, 9, [.. Enumerable.Range(0, 18).Select(i => (long)i)]);
                using var ids = batch.ToTensor(CPU);
                var steady = 0L;
                for (var round = 0; round < 10; round++)
                {
                    using (var pass = new PassContext(model.Inputs.Prompt(batch)))
                    {
                        using var logits = model.Full(ids, pass);
                        using var loss = logits.sum();
                        loss.backward();
                        using var _ = no_grad();
                        model.Eager(ids, pass).Dispose();
                    }

                    if (round == 0)
                        steady = Tensor.TotalCount;
                    else
                        Assert.Equal(steady, Tensor.TotalCount);
                }
            }

            Assert.Equal(before, Tensor.TotalCount);
        }
    }
}
