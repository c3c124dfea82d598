using Generated.Evaluation;
using Generated.Layers;
using Generated.Loading;
using Generated.Quant.Calibration;
using Generated.Quant.Layers;
using Generated.Quant.Pipeline;
using Generated.Quant.Recipes;
using TorchSharp;
using Xunit.Abstractions;

namespace Quant.Tests.Pipeline;

public sealed class ScratchTests(ITestOutputHelper output)
{
    static ScratchTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    [SkippableTheory]
    [InlineData("hf")]
    [InlineData("hf-outliers")]
    [InlineData("hf-allout")]
    [InlineData("hf-vshift")]
    public void Table(string variant)
    {
        var folder = Stories.Model(variant);
        using var loadedTokens = ModelLoader.Load(folder);
        var tokenizer = loadedTokens.RequireTokenizer();
        var held = new TextWindows(tokenizer.Encode(File.ReadAllText(Stories.Text)), 512, 0.2, 1);
        using (torch.no_grad())
            output.WriteLine($"{variant} float {Perplexity.Measure(loadedTokens.Model, held, 1).Perplexity:0.0000}");
        foreach (var name in NamedRecipes.Names)
        {
            if (name == "kv8") continue;
            var watch = System.Diagnostics.Stopwatch.StartNew();
            try
            {
                using var model = ModelLoader.Load(folder);
                using var streamed = StreamedModel.Open(folder);
                var file = new CalibrationFile(Stories.Text, tokenizer, null, streamed.Inputs, streamed.Vocabulary, new CalibrationOptions());
                var recipe = NamedRecipes.Get(name, 32);
                var work = Directory.CreateTempSubdirectory();
                new UnitLoop(streamed, recipe, file.Read().Calibration, work.FullName).Run(0, (index, unit, result) => Apply(model, unit, result), default);
                work.Delete(true);
                var calibrated = watch.Elapsed.TotalSeconds;
                output.WriteLine($"{variant} {name} {Perplexity.Measure(model.Model, held, 1).Perplexity:0.0000} ({calibrated:0.0} s + {watch.Elapsed.TotalSeconds - calibrated:0.0} s)");
            }
            catch (Exception e)
            {
                output.WriteLine($"{variant} {name}: {e}");
            }
        }
    }

    private static void Apply(LoadedModel model, Unit unit, UnitResult result)
    {
        using var _ = torch.no_grad();
        var targets = (unit.Block < 0 ? model.Model.Weights() : model.Model.AllBlocks[unit.Block].Weights()).ToDictionary(s => s.Name);
        foreach (var slot in unit.Slots)
        {
            if (slot.Layer is INorm norm && targets[slot.Name].Layer is INorm target)
            {
                target.Weight.Value.copy_(norm.Weight.Value);
                if (norm.Bias is { } bias)
                {
                    target.EnsureBias();
                    target.Bias!.Value.copy_(bias.Value);
                }
            }
            else if (slot.Layer is DenseLinear dense && targets[slot.Name].Layer is DenseLinear other && slot.Spec.TiedTo is null)
            {
                other.Weight.Value.copy_(dense.Weight.Value);
                if (dense.Bias is { } bias)
                {
                    other.EnsureBias();
                    other.Bias!.Value.copy_(bias.Value);
                }
            }
        }

        foreach (var (path, state) in result.Linears)
        {
            var slot = model.Model.Linear(path, unit.Block);
            slot.Linear = QuantizedLinear.Create(slot.Linear, state);
        }
    }
}
