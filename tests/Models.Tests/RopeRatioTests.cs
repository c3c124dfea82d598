using Generated.Layers;
using Generated.Models;
using Generated.Passes;
using Generated.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Models.Tests;

/// <summary>The two meanings that the 32K files of ChatGLM2 and ChatGLM3 give to <c>rope_ratio</c>.</summary>
public sealed class RopeRatioTests
{
    private static ChatGlm2Config Config(double ratio, bool? divides = null) =>
        new() { Vocab = 40, Hidden = 16, Layers = 2, Heads = 4, KvHeads = 2, HeadDim = 8, Ffn = 24, RopeRatio = ratio, DividesPositionsGiven = divides };

    [Theory]
    [InlineData(1, 10000, false)]
    [InlineData(16, 10000, true)] // ChatGLM2-6B-32K
    [InlineData(50, 500000, false)] // ChatGLM3-6B-32K
    public void Ratio_IsReadAsItsFileMeansIt(double ratio, double theta, bool divides)
    {
        var config = Config(ratio);
        Assert.Equal(theta, config.Theta);
        Assert.Equal(divides ? RopeScaling.Linear(ratio) : null, config.Scaling);
    }

    [Fact]
    public void ExplicitWord_Overrides()
    {
        Assert.Equal(160000, Config(16, divides: false).Theta);
        Assert.Equal(RopeScaling.Linear(50), Config(50, divides: true).Scaling);
    }

    /// <summary>Positions 0, 4, 8, … divided by 4 are 0, 1, 2, …</summary>
    [Fact]
    public void DividedPositions_RotateAsUndividedOnes()
    {
        var divided = Logits(Config(4, divides: true), position => 4 * position);
        Assert.True(Difference(Logits(Config(1), position => position), divided) < 1e-5);
        Assert.True(Difference(Logits(Config(4, divides: true), position => position), divided) > 1e-2);
    }

    private static float[] Logits(ChatGlm2Config config, Func<int, long> position)
    {
        using var noGrad = no_grad();
        using var model = ChatGlm2.Create(config, new BuildOptions());
        WeightInitializer.Initialize(model, seed: 5, deviation: 0.5);
        long[] ids = [3, 9, 27, 31, 4];
        using var pass = new PassContext(new SequenceInputs(1, ids.Length, 0, [.. Enumerable.Range(0, ids.Length).Select(position)], new AttentionMask()));
        using var tokens = tensor(ids).view(1, -1);
        using var logits = model.Full(tokens, pass);
        return logits.data<float>().ToArray();
    }

    private static float Difference(float[] a, float[] b) => a.Zip(b, (x, y) => Math.Abs(x - y)).Max();
}
