using Generated.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Training;

public sealed class AdamWTests
{
    /// <summary>torch.optim.AdamW's arithmetic by hand, in float64, as an independent check of one parameter's path.</summary>
    private static double[] ByHand(double start, double[] gradients, double rate, double decay)
    {
        double mean = 0, square = 0, weight = start;
        var path = new List<double>();
        for (var t = 1; t <= gradients.Length; t++)
        {
            var g = gradients[t - 1];
            weight -= rate * decay * weight;
            mean = 0.9 * mean + 0.1 * g;
            square = 0.999 * square + 0.001 * g * g;
            weight -= rate * (mean / (1 - Math.Pow(0.9, t))) / (Math.Sqrt(square / (1 - Math.Pow(0.999, t))) + 1e-8);
            path.Add(weight);
        }

        return [.. path];
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Steps_FollowTheDefinition(bool decayVectors)
    {
        double[] gradients = [0.5, -1.25, 0.01, 3, 0];
        using var vector = torch.tensor(new[] { 0.75f }).requires_grad_();
        using var matrix = torch.tensor(new[] { 0.75f }).reshape(1, 1).detach().requires_grad_();
        using var optimizer = new AdamW([new("v", vector), new("m", matrix)], new() { WeightDecay = 0.1, DecayVectors = decayVectors });
        var vectorPath = ByHand(0.75, gradients, 0.01, decayVectors ? 0.1 : 0);
        var matrixPath = ByHand(0.75, gradients, 0.01, 0.1);
        for (var t = 0; t < gradients.Length; t++)
        {
            optimizer.ZeroGrad();
            using var loss = (vector * gradients[t]).sum() + (matrix * gradients[t]).sum();
            loss.backward();
            optimizer.Step(0.01);
            Assert.Equal(vectorPath[t], vector.item<float>(), 1e-6);
            Assert.Equal(matrixPath[t], matrix.item<float>(), 1e-6);
        }

        Assert.Equal(gradients.Length, optimizer.Steps);
    }

    [Fact]
    public void ManySteps_EqualTorchSharpsOwnAdamW()
    {
        torch.manual_seed(3);
        using var start = torch.randn(8, 5);
        using var ours = start.clone().requires_grad_();
        using var theirs = new TorchSharp.Modules.Parameter(start.clone());
        using var target = torch.randn(8, 5);
        using var optimizer = new AdamW([new("w", ours)], new() { WeightDecay = 0.05 });
        using var reference = torch.optim.AdamW([theirs], lr: 0.02, weight_decay: 0.05);
        for (var i = 0; i < 50; i++)
        {
            optimizer.ZeroGrad();
            reference.zero_grad();
            using (var loss = (ours - target).pow(4).sum())
                loss.backward();
            using (var loss = (theirs - target).pow(4).sum())
                loss.backward();
            optimizer.Step(0.02);
            reference.step();
        }

        Assert.True(ours.allclose(theirs, 1e-5, 1e-6));
        Assert.False(ours.allclose(start));
    }

    [Fact]
    public void HalfParameters_KeepSmallSteps()
    {
        using var weight = torch.ones(4, dtype: ScalarType.BFloat16).requires_grad_();
        using var optimizer = new AdamW([new("w", weight)], new() { WeightDecay = 0 });
        for (var i = 0; i < 100; i++)
        {
            optimizer.ZeroGrad();
            using var loss = weight.sum();
            loss.backward();
            optimizer.Step(1e-4); // each step is below bfloat16's resolution at 1
        }

        Assert.Equal(0.99, weight.detach().to_type(ScalarType.Float32)[0].item<float>(), 2e-3);
        Assert.Equal(["exp_avg.w", "exp_avg_sq.w", "master.w"], optimizer.StateTensors.Select(t => t.Key));
    }

    [Fact]
    public void ClipNorm_ScalesAllGradientsByOneFactor()
    {
        using var a = torch.zeros(2).requires_grad_();
        using var b = torch.zeros(1).requires_grad_();
        using var unused = torch.zeros(3).requires_grad_();
        using var loss = (a * torch.tensor(new[] { 3f, 0f })).sum() + (b * 4f).sum();
        loss.backward();
        using var norm = GradientClip.ClipNorm([a, b, unused], 1);
        Assert.Equal(5, norm.item<float>(), 1e-5);
        Assert.Equal(0.6, a.grad![0].item<float>(), 1e-5);
        Assert.Equal(0.8, b.grad![0].item<float>(), 1e-5);
        using var again = GradientClip.ClipNorm([a, b, unused], 100);
        Assert.Equal(1, again.item<float>(), 1e-5);
        Assert.Equal(0.6, a.grad![0].item<float>(), 1e-5);
    }

    [Fact]
    public void CosineSchedule_RisesThenFallsToTheFloor()
    {
        var schedule = new CosineSchedule(1, 10, 110, 0.1);
        Assert.Equal(0.1, schedule.RateAt(0), 1e-12);
        Assert.Equal(1, schedule.RateAt(9), 1e-12);
        Assert.Equal(1, schedule.RateAt(10), 1e-12);
        Assert.Equal(0.55, schedule.RateAt(60), 1e-12);
        Assert.Equal(0.1, schedule.RateAt(110), 1e-12);
        Assert.Equal(0.1, schedule.RateAt(1000), 1e-12);
        Assert.All(Enumerable.Range(10, 99), step => Assert.True(schedule.RateAt(step + 1) < schedule.RateAt(step)));
    }

    [Fact]
    public void Options_OutOfRange_AreRefused() =>
        Assert.Contains("beta2 is 1", Assert.Throws<Generated.InvalidInputException>(() => new AdamW([], new() { Beta2 = 1 })).Message);
}
