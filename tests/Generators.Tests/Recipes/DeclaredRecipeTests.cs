extern alias quant;

using Generators.Tests.Declarations;
using Generators.Tests.Diagnostics;
using Generators.Tests.Snapshots;
using Microsoft.CodeAnalysis;
using Loading = quant::Generated.Quant.Recipes;

namespace Generators.Tests.Recipes;

/// <summary>What attributes become.</summary>
public sealed class DeclaredRecipeTests
{
    /// <summary>Every option of every attribute, on an architecture of the same project.</summary>
    private const string Everything = """
        using Declared;
        using Generated.Quant.Recipes;

        namespace Mine;

        [Quantize<Llama>(Name = "all of it", TensorParallel = 2, Rounding = Rounding.AwayFromZero)]
        [Shift(AllLinears = true, Sampler = ShiftSampler.MinMax)]
        [Smooth(AllLinears = true, Search = SmoothSearch.Piecewise, Pieces = 6, SearchPieces = true, AlphaMin = 0.1, AlphaMax = 0.9, AlphaStep = 0.05, ScaleMin = 0.5, ScaleMax = 4, ScaleStep = 0.25)]
        [AutoClip(Grid = 10, MaxShrink = 0.25, Tokens = 256)]
        [Gptq(Damping = 0.1, ActOrder = false, BlockSize = 64, StaticGroups = true)]
        [Weights(Bits = 4, Per = Granularity.Group, GroupSize = 64, Symmetric = false)]
        [Activations(Per = ActivationGranularity.Tensor, Observer = ActivationObserver.Histogram)]
        [KvCache(Observer = ActivationObserver.Emd)]
        [TokenEmbedding(Bits = 16, Spacing = EmbeddingSpacing.Log)]
        [Keep(Llama.Paths.Head, "LlamaBlock.Mlp.Down@0", "*.v_proj")]
        [Override(LlamaBlock.Paths.MlpDown, WeightBits = 8, WeightPer = Granularity.Channel, WeightSymmetric = true, WeightObserver = WeightObserver.AbsMax)]
        [Override("LlamaBlock.*", ActivationPer = ActivationGranularity.Token, ActivationObserver = ActivationObserver.AbsMax)]
        [Override("K", Keep = true)]
        public static partial class Everything;
        """;

    [Fact]
    public void EveryOption_IsCarriedOver()
    {
        var compiled = Compiled.From(Declared.Llama, Everything);

        Assert.Empty(compiled.Errors);
        var format = new Loading.WeightFormat { Bits = 4, Per = Loading.Granularity.Group, GroupSize = 64, Symmetric = false };
        var activations = new Loading.ActivationFormat { Observer = Loading.ActivationObserver.Histogram };
        Assert.Equal(
            new Loading.QuantRecipe
            {
                Name = "all of it",
                TensorParallel = 2,
                Rounding = Loading.Rounding.AwayFromZero,
                Shift = new() { AllLinears = true, Sampler = Loading.ShiftSampler.MinMax },
                Smooth = new()
                {
                    AllLinears = true,
                    Search = Loading.SmoothSearch.Piecewise,
                    Pieces = 6,
                    SearchPieces = true,
                    AlphaMin = 0.1,
                    AlphaMax = 0.9,
                    AlphaStep = 0.05,
                    ScaleMin = 0.5,
                    ScaleMax = 4,
                    ScaleStep = 0.25,
                },
                AutoClip = new() { Grid = 10, MaxShrink = 0.25, Tokens = 256 },
                Gptq = new() { Damping = 0.1, ActOrder = false, BlockSize = 64, StaticGroups = true },
                Weights = format,
                Activations = activations,
                KvCache = new() { Observer = Loading.ActivationObserver.Emd },
                Embedding = new() { Bits = 16, Spacing = Loading.EmbeddingSpacing.Log },
                Keep = ["Llama.Head", "LlamaBlock.Mlp.Down@0", "*.v_proj"],
                Overrides =
                [
                    new("LlamaBlock.Mlp.Down") { Weights = format with { Bits = 8, Per = Loading.Granularity.Channel, Symmetric = true } },
                    new("LlamaBlock.*") { Activations = new() { Per = Loading.ActivationGranularity.Token } },
                    new("K") { Keep = true },
                ],
            },
            Loaded.Recipe(compiled, "Mine.Everything"));
    }

    [Fact]
    public void Everything_Printed_IsAsReviewed() => Snapshot.Match(Emitted(Compiled.From(Declared.Llama, Everything), "Mine.Everything.g.cs"), "Recipe.g.cs");

    [Theory]
    [InlineData("[Qat(Weights = QatWeights.LsqPlus, Activations = QatActivations.Pact, Steps = 5, LearningRate = 0.001), Weights, Activations]", "qat")]
    [InlineData("[Awq(Grid = 10, AllLinears = true), Weights(Observer = WeightObserver.Mse)]", "awq")]
    [InlineData("[Smooth(Alpha = 0.75), Weights(Per = Granularity.Tensor), Activations(Observer = ActivationObserver.Kl)]", "smooth")]
    public void OtherMethods_AreCarriedOver(string attributes, string expected)
    {
        var compiled = Compiled.From(Declared.Llama, $"using Generated.Quant.Recipes; [Quantize<Declared.Llama>] {attributes} public static partial class Other;");

        Assert.Empty(compiled.Errors);
        Assert.Equal(
            expected switch
            {
                "qat" => new Loading.QuantRecipe
                {
                    Name = "Other",
                    Weights = new(),
                    Activations = new(),
                    Qat = new() { Weights = Loading.QatWeights.LsqPlus, Activations = Loading.QatActivations.Pact, Steps = 5, LearningRate = 0.001 },
                },
                "awq" => new() { Name = "Other", Awq = new() { Grid = 10, AllLinears = true }, Weights = new() { Observer = Loading.WeightObserver.Mse } },
                _ => new()
                {
                    Name = "Other",
                    Smooth = new() { Alpha = 0.75 },
                    Weights = new() { Per = Loading.Granularity.Tensor },
                    Activations = new() { Observer = Loading.ActivationObserver.Kl },
                },
            },
            Loaded.Recipe(compiled, "Other"));
    }

    [Fact]
    public void RecipeInTheModelsOwnProject_MayUseNameofAndPaths()
    {
        var compiled = Compiled.From(
            "using Generated.Quant.Recipes; [Quantize<Toy>, Weights, Keep(nameof(Toy.Head), ToyBlock.Paths.Up)] public static partial class R;",
            RulePage.Shared, RulePage.SharedModel);

        Assert.Empty(compiled.Errors);
        Assert.Equal(["Head", "ToyBlock.Up"], Loaded.Recipe(compiled, "R").Keep);
    }

    [Fact]
    public void RecipeForAPackagedModel_IsCheckedByItsGraph()
    {
        var compiled = Compiled.From(Source.Compilation(
            """
            using Generated.Models;
            using Generated.Quant.Recipes;

            [Quantize<Llama>(TensorParallel = 4), Smooth, Weights(Bits = 4, Per = Granularity.Group), Keep(Llama.Paths.Head, "LlamaBlock.Mlp.Dwn")]
            public static partial class R;
            """).AddReferences(Source.Models));

        Assert.Equal(["GEN0703", "GEN0716"], compiled.Errors.Select(e => e.Id).Order());
        Assert.Contains("did you mean 'LlamaBlock.Mlp.Down'?", compiled.Errors.Single(e => e.Id == "GEN0703").GetMessage(), StringComparison.Ordinal);
        var crossing = compiled.Errors.Single(e => e.Id == "GEN0716").GetMessage();
        Assert.Contains("at tensor-parallel degree 4 a rank has 2752 inputs of 'LlamaBlock.Mlp.Down' (preset llama-7b, ", crossing, StringComparison.Ordinal);
    }

    [Fact]
    public void PackagedModelWithoutItsGraph_IsRefused()
    {
        var silent = Source.Compilation("namespace Old; [Model(\"old\")] public sealed class Old { }");
        using var image = new MemoryStream();
        Assert.True(silent.WithAssemblyName("Old").Emit(image).Success);

        var compiled = Compiled.From(Source.Compilation("using Generated.Quant.Recipes; [Quantize<Old.Old>, Weights] public static partial class R;")
            .AddReferences(MetadataReference.CreateFromImage(image.ToArray())));

        Assert.Equal("GEN0512", Assert.Single(compiled.Errors).Id);
    }

    [Fact]
    public void MistakeInTheModel_IsNotSaidAgainByTheRecipe()
    {
        var compiled = Compiled.From(
            Declared.Llama.Replace("nameof(c.QWidth), nameof(c.Hidden), \"self_attn.o_proj\"", "nameof(c.Ffn), nameof(c.Hidden), \"self_attn.o_proj\""),
            "using Generated.Quant.Recipes; [Quantize<Declared.Llama>, Weights, Keep(\"Nothing\")] public static partial class R;");

        Assert.Equal("GEN0201", Assert.Single(compiled.Errors).Id);
    }

    [Theory]
    [InlineData("public static partial class Outer { [Quantize<Toy>, Weights] public static partial class R; }", "a type of its own, not nested in another")]
    [InlineData("[Quantize<Toy>, Weights] public static partial class R<T>;", "without type parameters")]
    [InlineData("[Quantize<Toy>, Weights] public static class R;", "partial")]
    [InlineData("[Quantize<Toy>, Weights] file static partial class R;", "visible outside its file")]
    [InlineData("[Quantize<Toy>, Weights] public partial record R;", "a static class")]
    public void ClassOfAnotherShape_IsRefused(string declaration, string expected)
    {
        var error = Assert.Single(Compiled.From($"using Generated.Quant.Recipes; {declaration}", RulePage.Shared, RulePage.SharedModel).Errors);

        Assert.Equal("GEN0701", error.Id);
        Assert.Contains(expected, error.GetMessage(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Smooth(Alpha = 2), Weights", "2", "GEN0706")]
    [InlineData("Weights, Override(\"ToyBlock.Up\", WeightBits = 5)", "5", "GEN0706")]
    [InlineData("Weights, Override(\"ToyBlock.Upp\", WeightBits = 4)", "\"ToyBlock.Upp\"", "GEN0703")]
    [InlineData("Weights, Keep(\"Toy.Head\", \"ToyBlock.Dwn\")", "\"ToyBlock.Dwn\"", "GEN0703")]
    [InlineData("Weights, Activations(Bits = 4)", "4", "GEN0706")]
    [InlineData("Weights, Activations(Observer = (ActivationObserver)9)", "(ActivationObserver)9", "GEN0706")]
    [InlineData("TokenEmbedding, Smooth(Search = SmoothSearch.Alpha)", "SmoothSearch.Alpha", "GEN0708")]
    [InlineData("TokenEmbedding, Activations", "Activations", "GEN0708")]
    [InlineData("Weights, Gptq, Qat", "Qat", "GEN0707")]
    [InlineData("Weights, Smooth, Qat", "Qat", "GEN0707")]
    [InlineData("Weights, Awq, Qat", "Qat", "GEN0707")]
    [InlineData("Weights, Qat, AutoClip", "Qat", "GEN0707")]
    [InlineData("Weights(Symmetric = false), Qat(Weights = QatWeights.LsqPlus)", "QatWeights.LsqPlus", "GEN0707")]
    [InlineData("Weights, Override(\"ToyBlock.Up\", WeightSymmetric = false), Qat(Weights = QatWeights.LsqPlus)", "QatWeights.LsqPlus", "GEN0707")]
    [InlineData("Weights(GroupSize = 64)", "64", "GEN0709")]
    [InlineData("Weights, Activations(Per = ActivationGranularity.Token, Observer = ActivationObserver.Kl)", "ActivationObserver.Kl", "GEN0709")]
    [InlineData("Weights(Per = Granularity.Tensor)", "Granularity.Tensor", "GEN0719")]
    public void Finding_PointsAtWhatIsWrong(string attributes, string expected, string rule)
    {
        var source = $"using Generated.Quant.Recipes;\n[Quantize<Toy>, {attributes}]\npublic static partial class R;";

        var diagnostic = Assert.Single(Compiled.From(source, RulePage.Shared, RulePage.SharedModel).Diagnostics, d => d.Id.StartsWith("GEN07", StringComparison.Ordinal));

        Assert.Equal(rule, diagnostic.Id);
        Assert.Equal(expected, source.Substring(diagnostic.Location.SourceSpan.Start, diagnostic.Location.SourceSpan.Length));
    }

    /// <summary>These are apart: the model has no attention, and a norm without bias gets one.</summary>
    [Theory]
    [InlineData("Shift")]
    [InlineData("KvCache")]
    public void TrainingWithWhatHasFindingsOfItsOwn_IsRefused(string other)
    {
        var compiled = Compiled.From($"using Generated.Quant.Recipes; [Quantize<Toy>, Weights, Qat, {other}] public static partial class R;", RulePage.Shared, RulePage.SharedModel);

        Assert.Contains(compiled.Errors, e => e.Id == "GEN0707" && e.GetMessage().StartsWith($"Qat and {other} exclude each other", StringComparison.Ordinal));
    }

    [Fact]
    public void MistakeForTheCSharpCompiler_IsSaidByItAlone()
    {
        foreach (var attributes in new[] { "Weights(Bits = \"8\")", "Weights(Bitts = 8)", "Weights, Keep(Toy.Nothing)", "Weights, Keep(3)" })
        {
            var compiled = Compiled.From($"using Generated.Quant.Recipes; [Quantize<Toy>, {attributes}] public static partial class R;", RulePage.Shared, RulePage.SharedModel);

            Assert.All(compiled.Errors, e => Assert.StartsWith("CS", e.Id));
            Assert.Single(compiled.Errors);
        }
    }

    [Fact]
    public void RandomEdits_NeverStopTheCompiler()
    {
        const int Seed = 7, Rounds = 150;
        var random = new Random(Seed);
        for (var round = 0; round < Rounds; round++)
        {
            var tokens = System.Text.RegularExpressions.Regex.Split(Everything, @"(\W)");
            for (var edits = random.Next(1, 5); edits > 0; edits--) tokens[random.Next(tokens.Length)] = random.Next(3) == 0 ? "" : tokens[random.Next(tokens.Length)];
            var text = string.Concat(tokens);
            var run = Compiled.Driver().RunGenerators(Source.Compilation(Declared.Llama, text)).GetRunResult();
            Assert.True(run.Results.Single().Exception is null, $"{run.Results.Single().Exception}\n{text}");
        }
    }

    private static string Emitted(Compiled compiled, string file) =>
        compiled.Run.GeneratedTrees.Single(t => t.FilePath.EndsWith(file, StringComparison.Ordinal)).GetText().ToString();
}
