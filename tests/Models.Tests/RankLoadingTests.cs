using Generated;
using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Layers;
using Generated.Loading;
using Generated.Parallel;
using TorchSharp;

namespace Models.Tests;

/// <summary>A rank's share of a checkpoint: what it reads, and what cannot be shared.</summary>
public sealed class RankLoadingTests
{
    static RankLoadingTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    public static TheoryData<string> Recorded => [.. ParityCases.Recorded.Select(c => c.Folder)];

    [Theory, MemberData(nameof(Recorded))]
    public void Rank_ReadsTheBytesOfItsPartAndNoMore(string name)
    {
        const int Ranks = 4;
        var (architecture, config) = ModelLoader.ReadConfig(Generated.Configuration.ConfigReader.Load(Fixtures.Folder(name)));
        using var checkpoint = Checkpoint.Open(Fixtures.Folder(name));
        var read = ThreadCollective.Run(Ranks, group =>
        {
            using var counted = new CountingSource(checkpoint);
            using var model = architecture.Create(config, new BuildOptions { TensorParallel = group });
            var source = new WeightSource(counted, checkpoint.Layout, architecture, config);
            foreach (var slot in model.Weights().Where(slot => !slot.IsTied))
                source.Fill(slot);
            Assert.Equal(model.Parameters().Sum(p => p.Value.numel() * p.Value.ElementSize), counted.Bytes);
            return counted.Bytes;
        });
        // Replicated weights (norms, position tables) are small even here; at real sizes a rank reads a quarter.
        var whole = checkpoint.Tensors.Values.Sum(t => t.ByteCount);
        Assert.All(read, bytes => Assert.True(bytes < 0.45 * whole, $"{bytes} of {whole} bytes"));
    }

    [Theory]
    [InlineData("llama", 3, "GatedMlp.Gate: 160 features cannot be divided over 3 ranks")]
    [InlineData("llama", 8, "LlamaBlock.Attend: 4 attention heads cannot be divided over 8 ranks")]
    [InlineData("bloom", 3, "BloomBlock.Qkv: 192 features in 4 units of 48 cannot be divided over 3 ranks")]
    [InlineData("chatglm2", 3, "ChatGlm2Block.Qkv: 64 features in 4 units of 16 cannot be divided over 3 ranks")]
    [InlineData("baichuan2-7b", 5, "BaichuanBlock.Qkv: 64 features in 4 units of 16 cannot be divided over 5 ranks")]
    public void ImpossibleDegree_NamesLayerWidthsAndDegree(string name, int ranks, string message)
    {
        var e = Assert.Throws<CollectiveException>(() => ThreadCollective.Run(ranks, group =>
        {
            ModelLoader.Load(Fixtures.Folder(name), new LoadOptions { TensorParallel = group }).Dispose();
        }));
        Assert.Contains(message, Assert.IsType<InvalidInputException>(e.InnerException).Message);
    }

    [Fact]
    public void VocabularyWithFewerRowsThanRanks_NamesTheEmbedding()
    {
        var config = new Generated.Models.LlamaConfig { Vocab = 5, Hidden = 8, Layers = 1, Heads = 4, Ffn = 16 };
        var e = Assert.Throws<CollectiveException>(() => ThreadCollective.Run(4, group =>
        {
            Generated.Models.Llama.Create(config, new BuildOptions { TensorParallel = group }).Dispose();
        }));
        Assert.StartsWith("Llama.Embed: A vocabulary of 5 cannot be cut over 4 ranks", Assert.IsType<InvalidInputException>(e.InnerException).Message);
    }

    [Fact]
    public void RowsWithFewerUnitsThanRanks_AreRefused()
    {
        var e = Assert.Throws<CollectiveException>(() => ThreadCollective.Run(4, group =>
        {
            using var build = new BuildContext(new BuildOptions { TensorParallel = group });
            using var linear = new DenseLinear(build, 8, 16, shard: Shard.Row(4));
        }));
        Assert.Contains("8 features in 2 units of 4 cannot be divided over 4 ranks", Assert.IsType<InvalidInputException>(e.InnerException).Message);
    }

    /// <summary>Counts the bytes that are read.</summary>
    private sealed class CountingSource(ITensorSource source) : ITensorSource
    {
        public long Bytes { get; private set; }

        public string Location => source.Location;

        public IReadOnlyDictionary<string, TensorInfo> Tensors => source.Tensors;

        public IReadOnlyDictionary<string, string> Metadata => source.Metadata;

        public void Read(string name, TensorSlice slice, Span<byte> destination)
        {
            Bytes += destination.Length;
            source.Read(name, slice, destination);
        }

        public void Dispose()
        {
        }
    }
}
