using Generated;
using Generated.Generation;
using Generated.Tests;
using Runtime.Tests.Checkpoints;
using Runtime.Tests.Loading;
using TorchSharp;

namespace Runtime.Tests.Generation;

/// <summary>However a generation ends, its native memory ends with it.</summary>
[Collection(nameof(TensorCount))]
public sealed class GenerationMemoryTests
{
    [Fact]
    public async Task Stream_Cancelled_Stops_AndFreesEverything()
    {
        using var loaded = Models.Fixture("llama");
        var generator = loaded.CreateGenerator();
        generator.Complete([[1]], new GenerationOptions { MaxTokens = 2 }); // the rotary table is made once
        var before = TensorCount.Now();
        using var cancelled = new CancellationTokenSource();
        var seen = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var piece in generator.GenerateAsync([[1, 2]], new GenerationOptions { MaxTokens = 100_000, EosIds = [] }, cancelled.Token))
            {
                if (++seen == 5)
                    await cancelled.CancelAsync();
            }
        });
        Assert.InRange(seen, 5, 200);
        Assert.Equal(before, TensorCount.Now());
    }

    [Fact]
    public async Task Stream_LeftEarly_Stops_AndFailuresReachTheReader()
    {
        using var loaded = Models.Fixture("llama");
        var generator = new TextGenerator(loaded.Model, null, [], 200);
        generator.Complete([[1]], new GenerationOptions { MaxTokens = 2 });
        var before = TensorCount.Now();
        await foreach (var piece in generator.GenerateAsync([[1, 2]], new GenerationOptions { MaxTokens = 100_000 }))
            break;
        Assert.Equal(before, TensorCount.Now());
        await Assert.ThrowsAsync<InvalidInputException>(async () =>
        {
            await foreach (var piece in generator.GenerateAsync([[-1]]))
                Assert.Fail("a piece came");
        });
    }

    [Fact]
    public void DecodeSteps_KeepNoTensors()
    {
        using var loaded = Models.Fixture("llama");
        using var steps = new TextGenerator(loaded.Model, null, []).Generate([[1, 2, 3]], new GenerationOptions { MaxTokens = 1200 }).GetEnumerator();
        long after = 0;
        for (var step = 0; steps.MoveNext(); step++)
        {
            if (step == 10)
                after = torch.Tensor.TotalCount;
            if (step > 10)
                Assert.Equal(after, torch.Tensor.TotalCount);
        }

        Assert.True(after > 0);
    }

    [SkippableFact]
    public void TenThousandDecodeSteps_LeaveNativeMemoryFlat()
    {
        using var loaded = Models.Fixture("llama");
        var generator = new TextGenerator(loaded.Model, null, []);
        var prompt = Enumerable.Range(1, 20).ToArray();
        void Steps(int count)
        {
            for (var made = 0; made < count; made += 100)
                generator.Complete([prompt], new GenerationOptions { MaxTokens = 100 });
        }

        Steps(1000);
        var (tensors, bytes) = (TensorCount.Now(), NativeHeap.BytesInUse());
        Steps(10_000);
        Assert.Equal(tensors, TensorCount.Now());
        // A token's keys and values alone are 1.5 KB: keeping them would be 15 MB.
        Assert.InRange(NativeHeap.BytesInUse() - bytes, long.MinValue, 12 << 20);
    }

    [SkippableFact]
    public void AThousandLoadsAndDisposals_LeaveNativeMemoryFlat()
    {
        for (var i = 0; i < 50; i++)
            Models.Fixture("llama").Dispose();
        var (tensors, bytes, mappings) = (TensorCount.Now(), NativeHeap.BytesInUse(), NativeHeap.MappingsOf(Files.Fixture("llama")));
        for (var i = 0; i < 1000; i++)
            Models.Fixture("llama").Dispose();
        Assert.Equal(tensors, TensorCount.Now());
        Assert.Equal(mappings, NativeHeap.MappingsOf(Files.Fixture("llama")));
        // Keeping one model in ten would be 60 MB. The runtime itself (compiled code, handles) moves by a few MB either way.
        Assert.InRange(NativeHeap.BytesInUse() - bytes, long.MinValue, 16 << 20);
    }
}
