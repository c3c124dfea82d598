using Generated;
using Generated.Architectures;
using Generated.Quant.Recipes;

namespace Quant.Tests.Recipes;

/// <summary>The rules of recipes against models as they are loaded.</summary>
public sealed class RecipeChecksTests
{
    private static readonly QuantRecipe W8A8 = new() { Weights = new(), Activations = new() };
    private static readonly WeightFormat Groups = new() { Bits = 4, Per = Granularity.Group, Symmetric = false };

    public static TheoryData<QuantRecipe, string> Folds => new()
    {
        { W8A8 with { Shift = new() }, "Shift" }, { W8A8 with { Smooth = new() }, "Smooth" }, { new() { Weights = Groups, Awq = new() }, "Awq" },
    };

    [Theory, MemberData(nameof(Folds))]
    public void FoldOnPostNormShortcut_IsRefusedWithNormAndConsumer(QuantRecipe recipe, string method)
    {
        var error = Refused(recipe, Structures.Of("chatglm-6b"));

        Assert.Contains($"{method} cannot fold 'ChatGlmBlock.AttnNorm' into 'ChatGlmBlock.Qkv', because it also feeds the residual scaled by Alpha", error, StringComparison.Ordinal);
        Assert.Contains("'ChatGlmBlock.MlpNorm' into 'ChatGlmBlock.Up'", error, StringComparison.Ordinal);
        Assert.Contains("GEN0710", error, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Folds))]
    public void FoldOnSwitchedShortcut_IsRefusedOnlyWhereTheConfigSwitchesIt(QuantRecipe recipe, string method)
    {
        foreach (var (plain, switched, norm) in new[]
        {
            (Structures.Bloom(false), Structures.Bloom(true), "BloomBlock.AttnNorm"),
            (Structures.ChatGlm2(false), Structures.ChatGlm2(true), "ChatGlm2Block.AttnNorm"),
            (Structures.Opt(true), Structures.Opt(false), "OptBlock.AttnNorm"),
        })
        {
            RecipeChecks.Check(recipe, plain);
            Assert.Contains($"{method} cannot fold '{norm}'", Refused(recipe, switched), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void AllLinears_NeedsNoFoldAndSaysWhatItInserts()
    {
        var findings = RecipeChecks.Check(NamedRecipes.Get("w8a8-smooth-all"), Structures.Of("chatglm-6b"));

        var inserted = Assert.Single(findings, f => f.Rule == "GEN0713");
        Assert.Contains("'ChatGlmBlock.Qkv', 'ChatGlmBlock.Dense', 'ChatGlmBlock.Up', 'ChatGlmBlock.Down'", inserted.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NormBeforeAHeadOfUnitRows_IsLeftOut()
    {
        var findings = RecipeChecks.Check(W8A8 with { Smooth = new() }, Structures.Of("baichuan2-7b"));

        Assert.Equal("Smooth leaves out 'Baichuan.FinalNorm' and 'Baichuan.Head', because 'Head' divides its rows by their length", Assert.Single(findings).Message);
    }

    [Fact]
    public void KeptLinears_NeedNoFold()
    {
        var recipe = W8A8 with { Smooth = new(), Keep = ["ChatGlmBlock.Qkv", "ChatGlmBlock.Up", "ChatGlm.Head"] };

        Assert.Equal(["GEN0714"], RecipeChecks.Check(recipe, Structures.Of("chatglm-6b")).Select(f => f.Rule));
    }

    [Fact]
    public void ShiftOfRmsNorm_SaysThatItInsertsABias()
    {
        var findings = RecipeChecks.Check(W8A8 with { Shift = new() }, Structures.Of("llama-7b"));

        Assert.Contains(findings, f => f.Rule == "GEN0712" && f.Message.Contains("'LlamaBlock.AttnNorm'", StringComparison.Ordinal));
        Assert.DoesNotContain(RecipeChecks.Check(W8A8 with { Shift = new() }, Structures.Of("bloom-560m")), f => f.Rule == "GEN0712");
    }

    [Theory]
    [InlineData("Llama.Haed", "did you mean 'Llama.Head'?")]
    [InlineData("Heda", "did you mean 'Head'?")]
    [InlineData("LlamaBlock.Mlp.Dwn@3", "did you mean 'LlamaBlock.Mlp.Down'?")]
    [InlineData("*.attention.wqkv", "LlamaBlock.Mlp.Gate")]
    [InlineData("LlamaBlock.Q@32", "below 32, the number of blocks")]
    [InlineData("LlamaBlock.Q@last", "must be an index")]
    [InlineData("Llama.Head@0", "outside blocks")]
    public void UnknownLayer_IsRefusedWithTheNearest(string layer, string expected)
    {
        Assert.Contains(expected, Refused(W8A8 with { Keep = [layer] }, Structures.Of("llama-7b")), StringComparison.Ordinal);
        Assert.Contains(expected, Refused(W8A8 with { Overrides = [new(layer) { Keep = true }] }, Structures.Of("llama-7b")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("LlamaBlock.Mlp.*")]
    [InlineData("*mlp.down_proj")]
    [InlineData("model.layers.31.*")]
    [InlineData("LlamaBlock.Q@31")]
    [InlineData("lm_h*")]
    public void Patterns_FitPathsAndCheckpointNames(string layer) =>
        RecipeChecks.Check(W8A8 with { Keep = [layer] }, Structures.Of("llama-7b"), "Llama", 32);

    [Fact]
    public void EndOfAPath_NamesItsLinear()
    {
        var structure = Structures.Of("llama-7b");
        var recipe = W8A8 with { Keep = ["Head", "Mlp.Down@2"] };

        RecipeChecks.Check(recipe, structure);
        Assert.True(recipe.Choice(structure.Linear("Llama.Head")).IsKept);
        Assert.True(recipe.Choice(structure.Linear("LlamaBlock.Mlp.Down"), 2).IsKept);
        Assert.False(recipe.Choice(structure.Linear("LlamaBlock.Mlp.Down"), 1).IsKept);
        Assert.Contains("No linear of Llama is named 'own'", Refused(W8A8 with { Keep = ["own"] }, structure), StringComparison.Ordinal);
    }

    [Fact]
    public void EndOfSeveralPaths_IsRefused()
    {
        var two = ModelStructure.Join(Structures.Of("llama-7b"), Structures.Of("bloom-560m"));

        Assert.Contains("'Head' may be 'Llama.Head', 'Bloom.Head'", Refused(W8A8 with { Keep = ["Head"] }, two), StringComparison.Ordinal);
    }

    [Fact]
    public void CacheWithoutAttention_IsRefused()
    {
        var structure = Structures.Of("llama-7b") with { Attentions = [] };

        Assert.Contains("KvCache has nothing to quantize", Refused(NamedRecipes.Get("kv8"), structure), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("w8", false), InlineData("w4-rtn", false), InlineData("w4-gptq", true), InlineData("w8a8", true), InlineData("kv8", true), InlineData("w8a8-smooth", true), InlineData("w8a8-smooth-piecewise", true)]
    public void Calibration_IsNeededWhereSomethingFollowsFromIt(string name, bool expected)
    {
        Assert.Equal(expected, NamedRecipes.Get(name).NeedsCalibration);
        Assert.False(new QuantRecipe { Weights = new(), Activations = new() { Per = ActivationGranularity.Token } }.NeedsCalibration);
    }

    [Fact]
    public void KeepOfEverything_IsRefused() =>
        Assert.Contains("Every linear of Llama is kept", Refused(W8A8 with { Keep = ["*"] }, Structures.Of("llama-7b")), StringComparison.Ordinal);

    [Fact]
    public void ShortLastGroup_IsAWarning()
    {
        var findings = RecipeChecks.Check(new() { Weights = Groups with { GroupSize = 512 } }, Structures.Of("llama-7b"));

        var warning = Assert.Single(findings, f => f.Severity == FindingSeverity.Warning);
        Assert.Equal("Groups of 512 leave a last group of 256 in the 11008 inputs of 'LlamaBlock.Mlp.Down' (this config)", warning.Message);
    }

    [Theory]
    [InlineData(1, null)]
    [InlineData(2, null)]
    [InlineData(4, "at tensor-parallel degree 4 a rank has 2752 inputs of 'LlamaBlock.Mlp.Down'")]
    [InlineData(3, "Tensor-parallel degree 3 does not divide the 4096 inputs of 'LlamaBlock.O'")]
    public void GroupThatCrossesRanks_IsRefused(int degree, string? expected)
    {
        var recipe = new QuantRecipe { Weights = Groups, TensorParallel = degree };

        if (expected is null)
            RecipeChecks.Check(recipe, Structures.Of("llama-7b"));
        else
            Assert.Contains(expected, Refused(recipe, Structures.Of("llama-7b")), StringComparison.Ordinal);
    }

    public static TheoryData<QuantRecipe, string> Contradictions => new()
    {
        { W8A8 with { Smooth = new(), Awq = new() }, "Smooth and Awq exclude each other" },
        { W8A8 with { Gptq = new(), Qat = new() }, "Gptq and Qat exclude each other" },
        { W8A8 with { Qat = new(), Shift = new() }, "Qat and Shift exclude each other" },
        { W8A8 with { Qat = new(), Smooth = new() }, "Qat and Smooth exclude each other" },
        { W8A8 with { Qat = new(), Awq = new() }, "Qat and Awq exclude each other" },
        { W8A8 with { Qat = new(), AutoClip = new() }, "Qat and AutoClip exclude each other" },
        { W8A8 with { Qat = new(), KvCache = new() }, "Qat and KvCache exclude each other" },
        { W8A8 with { Qat = new() { Weights = QatWeights.LsqPlus }, Weights = new() { Symmetric = false } }, "LsqPlus and Symmetric = false exclude each other" },
        { W8A8 with { Qat = new() { Weights = QatWeights.LsqPlus }, Overrides = [new("LlamaBlock.Q") { Weights = Groups }] }, "LsqPlus and Symmetric = false exclude each other" },
        { W8A8 with { Qat = new() { Weights = QatWeights.LsqPlus }, Weights = new() { Per = Granularity.Tensor } }, "LsqPlus and Per = Tensor exclude each other" },
        { W8A8 with { AutoClip = new(), Weights = new() { Observer = WeightObserver.Mse } }, "AutoClip and Observer = Mse exclude each other" },
        { new() { KvCache = new(), Smooth = new() { Search = SmoothSearch.Alpha } }, "Smooth.Search needs Weights" },
        { new() { KvCache = new(), Gptq = new() }, "Gptq needs Weights" },
        { new() { KvCache = new(), Awq = new() }, "Awq needs Weights" },
        { new() { KvCache = new(), AutoClip = new() }, "AutoClip needs Weights" },
        { new() { KvCache = new(), Qat = new() }, "Qat needs Weights" },
        { new() { KvCache = new(), Shift = new() }, "Shift needs Weights" },
        { new() { Activations = new() }, "Activations needs Weights" },
        { new(), "it gives nothing to quantize" },
        { new() { Weights = new() { Bits = 3 } }, "Weights.Bits is 3; it must be 8 or 4" },
        { W8A8 with { Activations = new() { Bits = 4 } }, "Activations.Bits is 4; it must be 8" },
        { W8A8 with { Activations = new() { Observer = (ActivationObserver)17 } }, "Activations.Observer is 17; it must be AbsMax or Average" },
        { new() { KvCache = new() { Observer = (ActivationObserver)17 } }, "KvCache.Observer is 17; it must be AbsMax or Average or Histogram or Kl or Mse or Emd" },
        { new() { Weights = Groups with { GroupSize = 100 } }, "Weights.GroupSize is 100; it must be a multiple of 32" },
        { W8A8 with { Smooth = new() { Alpha = double.NaN } }, "Smooth.Alpha is NaN; it must be a number from 0 to 1" },
        { W8A8 with { Smooth = new() { Search = SmoothSearch.Alpha, AlphaMin = 0.9 } }, "Smooth.AlphaMin is 0.9; it must be at most AlphaMax, 0.8" },
        { W8A8 with { TensorParallel = 0 }, "TensorParallel is 0; it must be a whole number from 1 to 1024" },
        { W8A8 with { Keep = ["LlamaBlock.Q"], Overrides = [new("LlamaBlock.Q") { Weights = Groups }] }, "'LlamaBlock.Q' is named by Keep and again by Override" },
    };

    [Theory, MemberData(nameof(Contradictions))]
    public void Contradiction_IsRefused(QuantRecipe recipe, string expected) =>
        Assert.Contains(expected, Refused(recipe, Structures.Of("llama-7b")), StringComparison.Ordinal);

    public static TheoryData<QuantRecipe, string> Idle => new()
    {
        { W8A8 with { Activations = new() { Per = ActivationGranularity.Token, Observer = ActivationObserver.Kl } }, "Activations.Observer" },
        { W8A8 with { Smooth = new() { AlphaMin = 0.3 } }, "Smooth.AlphaMin" },
        { W8A8 with { Smooth = new() { Search = SmoothSearch.Piecewise, Alpha = 0.3 } }, "Smooth.Alpha" },
        { new() { Weights = new() { GroupSize = 64 } }, "Weights.GroupSize" },
        { new() { Embedding = new() { TiedHead = true } }, "Embedding.TiedHead" },
    };

    [Theory, MemberData(nameof(Idle))]
    public void OptionThatNothingReads_IsAWarning(QuantRecipe recipe, string option)
    {
        var warning = Assert.Single(RecipeChecks.Check(recipe, Structures.Of("llama-7b")), f => f.Severity == FindingSeverity.Warning);

        Assert.Equal(("GEN0709", option), (warning.Rule, warning.Place));
        Assert.StartsWith($"{option} has no effect", warning.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FormatsWithoutAKernel_SayWhatRunsInstead()
    {
        Assert.Contains(
            RecipeChecks.Check(new() { Weights = Groups, Activations = new() }, Structures.Of("llama-7b")),
            f => f.Rule == "GEN0719" && f.Message.StartsWith("There is no kernel for 8-bit activations with 4-bit weights", StringComparison.Ordinal));
        Assert.DoesNotContain(RecipeChecks.Check(W8A8, Structures.Of("llama-7b")), f => f.Rule == "GEN0719");
    }

    [Fact]
    public void ExactName_WinsOverPattern_AndPatternOverDefault()
    {
        var structure = Structures.Of("llama-7b");
        var recipe = W8A8 with
        {
            Keep = ["LlamaBlock.Mlp.*"],
            Overrides =
            [
                new("LlamaBlock.Mlp.Down") { Weights = Groups },
                new("LlamaBlock.Mlp.Down@3") { Keep = true },
                new("LlamaBlock.*") { Weights = new() { Per = Granularity.Tensor } },
                new("model.layers.5.*") { Activations = new() { Per = ActivationGranularity.Token } },
            ],
        };
        LayerChoice Of(string path, int block) => recipe.Choice(structure.Linear(path), block);

        Assert.Equal(new LayerChoice(Groups, recipe.Activations), Of("LlamaBlock.Mlp.Down", 2));
        Assert.True(Of("LlamaBlock.Mlp.Down", 3).IsKept);
        Assert.True(Of("LlamaBlock.Mlp.Up", 2).IsKept);
        Assert.Equal(Granularity.Tensor, Of("LlamaBlock.Q", 2).Weights!.Per);
        Assert.Equal(ActivationGranularity.Token, Of("LlamaBlock.Q", 5).Activations!.Per);
        Assert.Equal(W8A8.Weights, Of("Llama.Head", -1).Weights);
    }

    [Fact]
    public void TiedHead_IsKeptUnlessAnOverrideNamesIt()
    {
        var head = Structures.Of("bloom-560m").Linear("Bloom.Head");

        Assert.True(W8A8.Choice(head).IsKept);
        Assert.True((W8A8 with { Keep = ["*Head"] }).Choice(head).IsKept);
        Assert.False((W8A8 with { Overrides = [new("Bloom.Head")] }).Choice(head).IsKept);
    }

    [Theory]
    [MemberData(nameof(Named))]
    public void NamedRecipe_FitsEveryPreNormFamily(string name)
    {
        foreach (var preset in new[] { "llama-7b", "llama-3-8b", "bloom-560m", "chatglm2-6b", "opt-6.7b", "baichuan2-7b", "qwen-7b", "gpt2" })
            RecipeChecks.Check(NamedRecipes.Get(name), Structures.Of(preset));
    }

    public static TheoryData<string> Named => [.. NamedRecipes.Names];

    [Fact]
    public void UnknownRecipe_IsRefusedWithTheNearest() =>
        Assert.Contains("did you mean 'w8a8-smooth'?", Assert.Throws<InvalidInputException>(() => NamedRecipes.Get("w8a8-smoth")).Message, StringComparison.Ordinal);

    private static string Refused(QuantRecipe recipe, ModelStructure structure) =>
        Assert.Throws<InvalidInputException>(() => RecipeChecks.Check(recipe, structure, "Llama", 32)).Message;
}
