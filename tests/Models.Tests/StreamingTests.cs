using Generated.Loading;
using Generated.Passes;
using TorchSharp;

namespace Models.Tests;

/// <summary>A model of which one block is in memory at a time gives what the whole model gives.</summary>
public sealed class StreamingTests
{
    static StreamingTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    [Theory]
    [InlineData("llama2-gqa")]
    [InlineData("llama-bf16-sharded")]
    [InlineData("chatglm2")]
    [InlineData("bloom")]
    [InlineData("gpt")]
    [InlineData("opt")]
    [InlineData("opt-postln")]
    [InlineData("qwen")]
    [InlineData("qwen2")]
    [InlineData("baichuan-13b")]
    [InlineData("baichuan2-7b")]
    public void BlockByBlock_TheModelGivesTheLogitsOfItsFullPass(string name)
    {
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var batch = TokenBatch.LeftPadded([[3, 14, 15, 9, 2, 6], [5, 3, 5]], 0);
        using var streamed = StreamedModel.Open(Fixtures.Folder(name));
        using var pass = new PassContext(streamed.Inputs.Prompt(batch));
        var logits = Streamed(streamed, batch, pass);

        using var loaded = ModelLoader.Load(Fixtures.Folder(name), new LoadOptions { Dtype = torch.ScalarType.Float32 });
        using var whole = new PassContext(loaded.Model.Inputs.Prompt(batch));
        var expected = loaded.Model.Full(batch.ToTensor(torch.CPU), whole);
        Assert.Equal(expected.data<float>().ToArray(), logits.data<float>().ToArray());
    }

    [Fact]
    public void Blocks_OfAStreamedModel_HaveNoMemory()
    {
        using var streamed = StreamedModel.Open(Fixtures.Folder("llama"));
        using var ends = streamed.LoadEnds();
        Assert.All(ends.AllBlocks.SelectMany(b => b.Weights()), slot => Assert.Equal(DeviceType.META, slot.Parameter!.Value.device_type));
        using (var block = streamed.LoadBlock(0))
            Assert.All(block.Block.Weights(), slot => Assert.Equal(DeviceType.CPU, slot.Parameter!.Value.device_type));
    }

    private static torch.Tensor Streamed(StreamedModel streamed, TokenBatch batch, PassContext pass)
    {
        using var ends = streamed.LoadEnds();
        var x = ends.Enter(batch.ToTensor(torch.CPU), pass);
        for (var i = 0; i < streamed.BlockCount; i++)
        {
            using var block = streamed.LoadBlock(i);
            x = block.Block.Full(x, pass);
        }

        return ends.Leave(x, pass);
    }
}
