using Generated.Loading;
using Generated.Passes;
using Generated.Quant.Calibration;
using Generated.Quant.Formats;
using Generated.Quant.Pipeline;
using Generated.Quant.Recipes;
using TorchSharp;

namespace Quant.Tests.Pipeline;

/// <summary>GPTQ rounds what another method leaves: shifted, scaled or clipped weights.</summary>
public sealed class FollowingTests
{
    private static readonly QuantRecipe Gptq = new() { Weights = new() { Bits = 4, Per = Granularity.Group, GroupSize = 32, Symmetric = false }, Gptq = new() };

    static FollowingTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    public static TheoryData<string, QuantRecipe, string> Cases => new()
    {
        { "bloom", Gptq with { Name = "shift, gptq", Shift = new() }, "shift into BloomBlock.AttnNorm" },
        { "llama", Gptq with { Name = "awq, gptq", Awq = new() }, "awq into LlamaBlock.AttnNorm" },
        { "chatglm2", Gptq with { Name = "autoclip, gptq", AutoClip = new() }, "" },
    };

    [Theory, MemberData(nameof(Cases))]
    public void Gptq_FollowsAnotherMethod_AndEveryLayerSaysSo(string name, QuantRecipe recipe, string transform)
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        var report = Run(recipe, folder["both"]);
        Assert.All(report.Linears, linear => Assert.True(linear is { Method: "gptq", Damping: > 0 }, $"{linear.Name}: {linear.Method}"));
        Assert.Contains(report.Linears, linear => linear.Transform == transform);

        using var exact = ModelLoader.Load(Stories.Fixture(name), new LoadOptions { Dtype = torch.ScalarType.Float32 });
        var batch = TokenBatch.LeftPadded(Fixtures.Rows(name, 8, seed: 1), 0);
        var expected = Fixtures.Logits(exact.Model, batch);
        var both = Distance("both");
        Run(recipe with { Gptq = null }, folder["alone"]);
        Assert.True(both < 0.46, $"logits are off by {both}");
        Assert.True(both < Distance("alone"), $"off by {both} with GPTQ, by {Distance("alone")} without");

        double Distance(string target)
        {
            using var loaded = QuantizedLoader.Load(folder[target], new LoadOptions { Dtype = torch.ScalarType.Float32 });
            return Fixtures.Distance(Fixtures.Logits(loaded.Model, batch), expected);
        }

        QuantizationReport Run(QuantRecipe chosen, string target) => Quantizer.Run(new QuantizeOptions
        {
            Source = Stories.Fixture(name),
            Target = target,
            Recipe = chosen,
            CalibrationFile = Fixtures.Calibration(name, folder),
            Calibration = new CalibrationOptions { To = 1 },
            EvaluationRows = 0,
        });
    }
}
