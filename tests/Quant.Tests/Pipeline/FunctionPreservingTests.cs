using Generated;
using Generated.Architectures;
using Generated.Layers;
using Generated.Loading;
using Generated.Passes;
using Generated.Quant.Calibration;
using Generated.Quant.Layers;
using Generated.Quant.Pipeline;
using Generated.Quant.Recipes;
using TorchSharp;

namespace Quant.Tests.Pipeline;

/// <summary>Offsets and scales move without changing the function: logits of every foldable family in float32 before anything is rounded.</summary>
public sealed class FunctionPreservingTests
{
    private const double Tolerance = 1e-3;

    static FunctionPreservingTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    public static TheoryData<string, bool> Cases
    {
        get
        {
            var cases = new TheoryData<string, bool>();
            foreach (var name in Fixtures.Names)
            {
                if (name is not ("chatglm" or "chatglm-untied" or "opt-postln"))
                    cases.Add(name, false);
                cases.Add(name, true);
            }

            return cases;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void ShiftAndSmooth_LeaveTheLogits(string name, bool all)
    {
        var recipe = new QuantRecipe { Weights = new(), Shift = new() { AllLinears = all }, Smooth = new() { Alpha = 0.7, AllLinears = all } };
        Check(name, recipe);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("llama2-gqa")]
    [InlineData("bloom")]
    [InlineData("gpt")]
    [InlineData("opt")]
    [InlineData("qwen")]
    public void AwqOverNormsAndPairs_LeavesTheLogits(string name) =>
        Check(name, new QuantRecipe { Weights = new() { Bits = 4, Per = Granularity.Group, GroupSize = 32 }, Awq = new() });

    [Fact]
    public void AWrongTransform_IsStopped_WithThePlace()
    {
        using var folder = new TemporaryFolder();
        using var streamed = StreamedModel.Open(Stories.Fixture("llama"));
        using var unit = new BlockUnit(streamed.LoadBlock(1));
        using var input = torch.randn([1, 6, 64]);
        using var proof = new FunctionProof(unit, input, streamed.Inputs.Prompt(TokenBatch.LeftPadded([[5, 6, 7, 8, 9, 10]], 0)));
        proof.Check("nothing");
        using (torch.no_grad())
            ((DenseLinear)Folding.Matrix(unit, "LlamaBlock.Mlp.Up")).Weight.Value.narrow(1, 3, 1).mul_(1.05);
        var failure = Assert.Throws<GeneratedException>(() => proof.Check("Smooth at 'LlamaBlock.Mlp.Gate'"));
        Assert.Contains("block 1", failure.Message);
        Assert.Contains("Smooth at 'LlamaBlock.Mlp.Gate'", failure.Message);
    }

    private static void Check(string name, QuantRecipe recipe)
    {
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = ModelLoader.Load(Stories.Fixture(name), new LoadOptions { Dtype = torch.ScalarType.Float32 });
        using var streamed = StreamedModel.Open(Stories.Fixture(name));
        var batch = TokenBatch.LeftPadded(Fixtures.Rows(name, 3, seed: 2), 0);
        var expected = Fixtures.Logits(model.Model, batch);
        var set = new CalibrationSet(Fixtures.Rows(name, 24), 2048);
        var spools = new HiddenStream(folder.Path, "x", set, streamed.Inputs);
        var quantizer = new UnitQuantizer(recipe, model.Model.Structure);
        var changed = 0;
        for (var index = 0; index < streamed.BlockCount + 2; index++)
        {
            using var ends = index is 0 || index > streamed.BlockCount ? streamed.LoadEnds() : null;
            using Unit unit = ends is null ? new BlockUnit(streamed.LoadBlock(index - 1)) : new EndsUnit(ends, index == 0);
            using var stage = spools.At(index, torch.CPU);
            if (index <= streamed.BlockCount)
            {
                stage.Forward(unit, default);
                stage.Complete();
            }

            // A head behind the blocks, and OPT's projection before them, are reached by only one of the two ends.
            var sites = SitePlan.Of(recipe, model.Model.Structure, unit).Where(site => site.IsTransformed && (ends is null || IsReached(site, unit, stage.Inputs))).ToList();
            if (sites.Count == 0)
                continue;
            using var seen = new Observation(sites.ToDictionary(site => site.Site, site => new SiteRecord(site.Width) { Statistics = new ChannelStatistics(site.Width) }));
            for (var i = 0; i < stage.Inputs.Count; i++)
            {
                using var tokens = new RealTokens(stage.Inputs.Batch(i));
                using var pass = stage.Inputs.Pass(i, new SiteRecorder(seen.Sites, null, tokens));
                using var input = stage.Inputs.Read(i);
                unit.Run(input, pass).Dispose();
            }

            quantizer.Transform(unit, stage.Inputs.Prompt, sites, seen, default);
            changed += Copy(unit, model.Model, [.. sites.SelectMany(site => site.Linears).Select(linear => linear.Path)]);
        }

        Assert.True(changed > 0);
        var actual = Fixtures.Logits(model.Model, batch);
        var error = (actual - expected).abs().max().item<float>() / expected.abs().max().item<float>();
        Assert.InRange(error, 0, Tolerance);
    }

    private static bool IsReached(SitePlan site, Unit unit, UnitInputs inputs)
    {
        var record = new Dictionary<string, SiteRecord> { [site.Site] = new SiteRecord(site.Width) { Statistics = new ChannelStatistics(site.Width) } };
        using var tokens = new RealTokens(inputs.Batch(0));
        using var pass = inputs.Pass(0, new SiteRecorder(record, null, tokens));
        using var input = inputs.Read(0);
        unit.Run(input, pass).Dispose();
        using (record[site.Site])
            return record[site.Site].Statistics!.Tokens > 0;
    }

    /// <summary>Puts a unit's changed weights into the whole model; gives how many linears changed.</summary>
    private static int Copy(Unit unit, CausalModel model, HashSet<string> transformed)
    {
        var targets = (unit.Block < 0 ? model.Weights() : model.AllBlocks[unit.Block].Weights()).GroupBy(s => s.Name).ToDictionary(g => g.Key, g => g.First());
        foreach (var slot in unit.Slots.Where(slot => slot.Layer is INorm))
        {
            var (norm, target) = ((INorm)slot.Layer, (INorm)targets[slot.Name].Layer);
            target.Weight.Value.copy_(norm.Weight.Value);
            if (norm.Bias is null)
                continue;
            target.EnsureBias();
            target.Bias!.Value.copy_(norm.Bias.Value);
        }

        var changed = 0;
        foreach (var (path, slot) in unit.Linears.Where(linear => unit.Block >= 0 || transformed.Contains(linear.Key)))
        {
            var (matrix, place) = (Folding.Matrix(unit, path), model.Linear(path, unit.Block));
            if (matrix.IsTied)
                continue;
            using var rows = matrix.Rows(0, matrix.OutWidth);
            var target = (DenseLinear)place.Linear;
            changed += torch.allclose(target.Weight.Value, rows) ? 0 : 1;
            if (matrix.HasUnitRows != target.HasUnitRows)
                target.FixUnitRows();
            target.Weight.Value.copy_(rows);
            if (matrix.Bias is { } bias)
            {
                target.EnsureBias();
                target.Bias!.Value.copy_(bias.Value);
            }

            if (slot.Linear is TransformedLinear)
                place.Linear = TransformedLinear.Create(target, unit.Inserted.First(i => model.Structure.Linear(path).Site == i.Key).Value);
        }

        return changed;
    }
}
