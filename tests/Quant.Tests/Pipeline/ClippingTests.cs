using Generated.Layers;
using Generated.Loading;
using Generated.Quant.Calibration;
using Generated.Quant.Formats;
using Generated.Quant.Layers;
using Generated.Quant.Pipeline;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Pipeline;

/// <summary>What AutoClip does to the linears of an attention, in the files that a run writes.</summary>
public sealed class ClippingTests
{
    private const int Group = 32;
    private const int Largest = 7; // code of 4 symmetric bits

    static ClippingTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    /// <summary>
    /// There, queries and keys are clipped too. Unclipped, a weight is at most half a step from its code, with a step of max|group| / 7;
    /// of a clipped group, the largest weight is further away.
    /// </summary>
    [Theory]
    [InlineData("llama")]
    [InlineData("bloom")] // one linear, head by head: q, k, v
    [InlineData("chatglm2")] // one linear: all q, all k, all v
    public void Defect12_AutoClip_LeavesQueriesAndKeysAlone(string name)
    {
        using var folder = new TemporaryFolder();
        Quantizer.Run(new QuantizeOptions
        {
            Source = Stories.Fixture(name),
            Target = folder["q"],
            Recipe = new QuantRecipe { Weights = new() { Bits = 4, Per = Granularity.Group, GroupSize = Group }, AutoClip = new() },
            CalibrationFile = Fixtures.Calibration(name, folder, count: 24),
            Calibration = new CalibrationOptions { To = 1 },
            EvaluationRows = 0,
        });
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var exact = ModelLoader.Load(Stories.Fixture(name), new LoadOptions { Dtype = ScalarType.Float32 });
        using var loaded = QuantizedLoader.Load(folder["q"], new LoadOptions { Dtype = ScalarType.Float32 });
        var (kept, others) = (0, new Dictionary<string, int>());
        foreach (var slot in exact.Model.Linears().Where(slot => slot.Block >= 0))
        {
            var clipped = Clipped(((DenseLinear)slot.Linear).Weight.Value, ((QuantizedLinear)loaded.Model.Linear(slot.Path, slot.Block).Linear).Dequantize());
            for (var row = 0; row < clipped.Length; row++)
            {
                if (IsQueryOrKey(name, slot.Path, row))
                {
                    Assert.False(clipped[row], $"row {row} of {slot.Path} in block {slot.Block} is clipped");
                    kept++;
                }
                else
                {
                    others[slot.Path] = others.GetValueOrDefault(slot.Path) + (clipped[row] ? 1 : 0);
                }
            }
        }

        Assert.True(kept >= 3 * 2 * 32, $"only {kept} rows of queries and keys");
        Assert.All(others, linear => Assert.True(linear.Value > 0, $"no row of {linear.Key} is clipped"));
    }

    /// <summary>As the models' sources lay their rows out (4 heads of 16 each; ChatGLM2 has 2 heads of keys and of values).</summary>
    private static bool IsQueryOrKey(string name, string path, int row) => name switch
    {
        "llama" => path is "LlamaBlock.Q" or "LlamaBlock.K",
        "bloom" => path == "BloomBlock.Qkv" && row / 16 % 3 != 2,
        _ => path == "ChatGlm2Block.Qkv" && row < 64 + 32,
    };

    /// <summary>Of each row, whether any of its groups is.</summary>
    private static bool[] Clipped(Tensor exact, Tensor rounded)
    {
        var (rows, groups) = (exact.shape[0], exact.shape[1] / Group);
        var steps = exact.view(rows, groups, Group).abs().amax([2]) / Largest;
        var distance = (exact - rounded).view(rows, groups, Group).abs().amax([2]);
        return [.. (distance > steps * 0.501 + 1e-6).any(1).data<bool>()];
    }
}
