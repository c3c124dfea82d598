using Generated.Verification;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Verification;

public sealed class TensorComparisonTests
{
    private static Comparison Compare(float[] actual, float[] expected)
    {
        using var a = torch.tensor(actual);
        using var b = torch.tensor(expected);
        return TensorComparison.Compare("x", a, b, 1e-3, 1e-2);
    }

    [Fact]
    public void WithinTolerance_IsOk_AndMeasured()
    {
        var result = Compare([1.005f, 0.0005f], [1, 0]);
        Assert.True(result.IsOk);
        Assert.Equal(0.005, result.MaxAbsolute, 1e-6);
        Assert.Equal(0.005, result.MaxRelative, 1e-6);
    }

    [Theory]
    [InlineData(1.02f, 1f)]
    [InlineData(0.002f, 0f)]
    [InlineData(float.NaN, 1f)]
    [InlineData(1f, float.NaN)]
    [InlineData(float.PositiveInfinity, 1f)]
    [InlineData(1f, float.PositiveInfinity)]
    [InlineData(float.PositiveInfinity, float.NegativeInfinity)]
    public void BeyondTolerance_OrNotFinite_IsNotOk(float actual, float expected) => Assert.False(Compare([1, actual], [1, expected]).IsOk);

    [Fact]
    public void EqualInfinities_AreEqual() => Assert.True(Compare([float.NegativeInfinity, 1], [float.NegativeInfinity, 1]).IsOk);

    [Fact]
    public void OtherShape_IsNotOk_AndSaysBoth()
    {
        using var a = torch.zeros(2, 3);
        using var b = torch.zeros(3, 2);
        var result = TensorComparison.Compare("x", a, b, 1, 1);
        Assert.False(result.IsOk);
        Assert.Contains("[2, 3]", result.Note);
    }

    [Fact]
    public void Tokens_HaveToBeEqual()
    {
        Assert.True(TensorComparison.CompareTokens("t", [1, 2], [1, 2]).IsOk);
        Assert.Contains("index 1", TensorComparison.CompareTokens("t", [1, 3], [1, 2]).Note);
        Assert.False(TensorComparison.CompareTokens("t", [1], [1, 2]).IsOk);
    }
}
