using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Generated;
using Generated.Quant.Recipes;
using Generated.Quant.Recipes.Files;
using Generated.Quant.Recipes.Rules;

namespace Quant.Tests.Recipes;

/// <summary>Recipes as JSON: own keys, Paddle's, refusals, canonical form.</summary>
public sealed class RecipeFileTests
{
    [Property(MaxTest = 200)]
    public Property Written_IsReadBackTheSame() => Prop.ForAll(Recipes(), recipe =>
    {
        var path = Path.Combine(Path.GetTempPath(), $"recipe-{Guid.NewGuid():N}.json");
        try
        {
            RecipeFile.Write(path, recipe);
            var read = RecipeFile.Load(path, note => Assert.Fail(note));
            Assert.Equal(recipe, read);
            Assert.Equal(recipe.GetHashCode(), read.GetHashCode());
            Assert.Equal(RecipeFile.Hash(recipe), RecipeFile.Hash(read));
        }
        finally
        {
            File.Delete(path);
        }
    });

    [Property(MaxTest = 200)]
    public Property Hash_IsThatOfTheContent() => Prop.ForAll(Recipes(), Recipes(), (one, other) =>
    {
        Assert.Equal(one with { Name = "" } == other with { Name = "" }, RecipeFile.Hash(one) == RecipeFile.Hash(other));
        Assert.Equal(RecipeFile.Hash(one), RecipeFile.Hash(one with { Name = "another" }));
    });

    [Fact]
    public void CanonicalForm_IsFixed()
    {
        // A change of this text changes the hash in every quantized checkpoint: it needs a new version of the format.
        const string expected = """
            {"gptq":{"damping":0.01,"act_order":true,"block_size":128,"static_groups":false},"weights":{"bits":4,"per":"group","group_size":128,"symmetric":false,"observer":"abs_max"},"keep":[],"overrides":[],"tensor_parallel":1,"rounding":"to_even"}
            """;
        var recipe = NamedRecipes.Get("w4-gptq");

        Assert.Equal(expected, Encoding.UTF8.GetString(RecipeFile.Canonical(recipe)));
        Assert.Equal("3f6229a8894483cabddaaa55e0db538f17465b8ac6a00c242ab978bdd26f9d8f", RecipeFile.Hash(recipe));
    }

    [Fact]
    public void Override_StartsFromTheRecipesFormats()
    {
        var recipe = Read("""{"overrides": [{"layer": "LlamaBlock.Q", "weights": {"bits": 4}}], "weights": {"per": "group", "group_size": 64}}""");

        Assert.Equal(new WeightFormat { Bits = 4, Per = Granularity.Group, GroupSize = 64 }, recipe.Overrides[0].Weights);
    }

    [Fact]
    public void PaddlesShippedArguments_MeanTheSame()
    {
        var notes = new List<string>();
        var recipe = Read(
            """
            {
              "do_ptq": true, "ptq_step": 16, "quant_type": "A8W8", "act_quant_method": "abs_max", "weight_quant_method": "abs_max_channel_wise",
              "smooth": true, "smooth_all_linears": true, "smooth_piecewise_search": true, "smooth_k_piece": 3, "smooth_search_piece": true,
              "search_alpha_min": 0.2, "search_alpha_max": 0.8, "search_scale_min": 1.0, "search_scale_max": 5.0,
              "shift": true, "shift_all_linears": true, "quant_round_type": 1, "quant_max_bound": 127.0, "quant_min_bound": -127.0,
              "skip_list_names": ["lm_head", "down_proj"], "do_awq": false, "auto_clip": false
            }
            """,
            notes.Add);

        Assert.Equal(
            new QuantRecipe
            {
                Shift = new() { AllLinears = true, Sampler = ShiftSampler.Ema },
                Smooth = new() { AllLinears = true, Search = SmoothSearch.Piecewise, SearchPieces = true },
                Weights = new(),
                Activations = new() { Observer = ActivationObserver.AbsMax },
                Rounding = Rounding.AwayFromZero,
                Keep = ["*lm_head*", "*down_proj*"],
            },
            recipe);
        Assert.Equal(["'do_ptq'", "'ptq_step'"], notes.Select(n => n.Split(' ')[0]));
    }

    [Fact]
    public void PaddlesAwqArguments_MeanTheSame()
    {
        var recipe = Read(
            """
            {"quant_type": "weight_only_int4", "weight_quant_method": "groupwise", "smooth": true, "do_awq": true, "auto_clip": true, "smooth_all_linears": true}
            """);

        Assert.Equal(
            new QuantRecipe { Awq = new() { AllLinears = true }, AutoClip = new(), Weights = new() { Bits = 4, Per = Granularity.Group } }, recipe);
    }

    [Fact]
    public void PaddleSlimsConstructors_MeanTheSame()
    {
        var notes = new List<string>();
        QuantRecipe Noted(string json) => Read(json, notes.Add);

        Assert.Equal(new QuantRecipe { Gptq = new(), Weights = new() { Bits = 4, Per = Granularity.Group, GroupSize = 64 } }, Noted("""{"do_gptq": true, "quant_bits": 4, "groupsize": 64}"""));
        Assert.Equal(new QuantRecipe { Gptq = new(), Weights = new() { Bits = 4 } }, Noted("""{"do_gptq": true, "quant_bits": 4, "groupsize": -1}"""));
        Assert.Equal(new QuantRecipe { Weights = new() { Bits = 4 } }, Noted("""{"quant_type": "weight_only_int4", "weight_bits": 4}"""));
        Assert.Equal(new QuantRecipe { Smooth = new(), Weights = new() }, Noted("""{"smooth": true, "smooth_method": "smoothquant", "bits_length": 8}"""));
        Assert.Equal(new QuantRecipe { Awq = new() { AllLinears = true }, Weights = new() { Bits = 4 } }, Noted("""{"smooth": true, "smooth_method": "awq", "smooth_all_linears": true, "bits_length": 4}"""));
        Assert.Empty(notes);
        Noted("""{"weights": {}, "smooth_method": "awq", "start_sample_step": 10000}""");
        Assert.Equal(["'smooth_method'", "'start_sample_step'"], notes.Select(n => n.Split(' ')[0]));
    }

    /// <summary>There, PACT stands before a moving average of the largest magnitude; without activations nothing trains them.</summary>
    [Fact]
    public void PaddlesQat_IsPactAndAMovingAverage()
    {
        Assert.Equal(QatActivations.PactMovingAverage, Read("""{"quant_type": "a8w8", "do_qat": true}""").Qat!.Activations);
        Assert.Equal(new QatOptions(), Read("""{"quant_type": "weight_only_int8", "do_qat": true}""").Qat);
    }

    [Theory]
    [InlineData("a8w8", 8, true, false)]
    [InlineData("a8w8c8", 8, true, true)]
    [InlineData("weight_only_int8", 8, false, false)] // matched as int4 there
    [InlineData("weight_only_int4", 4, false, false)] // the same: raised there
    public void Defect13_QuantType_SaysTheFormats(string type, int bits, bool activations, bool cache)
    {
        var recipe = Read($$"""{"quant_type": "{{type}}", "do_gptq": true, "percdamp": 0.1}""");

        Assert.Equal((bits, activations, cache), (recipe.Weights!.Bits, recipe.Activations is not null, recipe.KvCache is not null));
        Assert.Equal(0.1, recipe.Gptq!.Damping);
    }

    [Fact]
    public void OptionOfAMethodThatIsOff_IsNoted()
    {
        var notes = new List<string>();

        Assert.Equal(new QuantRecipe { Weights = new() }, Read("""{"weights": {}, "smooth": false, "smooth_k_piece": 6, "cachekv_quant_method": "avg_headwise"}""", notes.Add));
        Assert.Equal(["'smooth_k_piece'", "'cachekv_quant_method'"], notes.Select(n => n.Split(' ')[0]));
    }

    [Theory]
    [InlineData("""{"smoth": {}}""", "'smoth' is not known; did you mean 'smooth'?")]
    [InlineData("""{"smooth_k_pieces": 3}""", "'smooth_k_pieces' is not known; did you mean 'smooth_k_piece'?")]
    [InlineData("""{"smooth": {"alhpa": 0.5}}""", "'smooth.alhpa' is not known; did you mean 'smooth.alpha'?")]
    [InlineData("""{"smooth": {"alpha": "0.5"}}""", "'smooth.alpha' is \"0.5\"; it must be a number from 0 to 1")]
    [InlineData("""{"smooth": {"alpha": 1.5}}""", "'smooth.alpha' is 1.5; it must be a number from 0 to 1")]
    [InlineData("""{"smooth": {"search": "Piecewise"}}""", "'smooth.search' is \"Piecewise\"; it must be \"none\" or \"alpha\" or \"piecewise\"")]
    [InlineData("""{"smooth": 3}""", "'smooth' is 3; it must be an object of options")]
    [InlineData("""{"weights": {"bits": 3}}""", "'weights.bits' is 3; it must be 8 or 4")]
    [InlineData("""{"weights": {"bits": 8.5}}""", "'weights.bits' is 8.5; it must be 8 or 4")]
    [InlineData("""{"weights": {"bits": 8, "bits": 4}}""", "'weights.bits' is said twice")]
    [InlineData("""{"activations": {"observer": null}}""", "'activations.observer' is null; it must be \"abs_max\" or \"average\"")]
    [InlineData("""{"kv_cache": {"observer": "kld"}}""", "'kv_cache.observer' is \"kld\"; it must be \"abs_max\" or \"average\" or \"histogram\" or \"kl\" or \"mse\" or \"emd\"")]
    [InlineData("""{"keep": "Llama.Head"}""", "'keep' is \"Llama.Head\"; it must be a list of strings")]
    [InlineData("""{"keep": [3]}""", "'keep[0]' is 3; it must be a string")]
    [InlineData("""{"overrides": [{"weights": {}}]}""", "'overrides[0]' must be an object with the key 'layer'")]
    [InlineData("""{"overrides": [{"layer": "a", "weight": {}}]}""", "'overrides[0].weight' is not known; did you mean 'overrides[0].weights'?")]
    [InlineData("""{"quant_type": "a8w8_fp8"}""", "'quant_type' is \"a8w8_fp8\"")]
    [InlineData("""{"quant_type": "a8w8", "weights": {}}""", "'quant_type' says again what 'weights'")]
    [InlineData("""{"smooth": {"pieces": 2}, "smooth_k_piece": 4}""", "'smooth_k_piece' says again what 'smooth.pieces' says")]
    [InlineData("""{"percdamp": 0.1, "gptq": {"damping": 0.02}}""", "'percdamp' says again what 'gptq.damping' says")]
    [InlineData("""{"group_size": 64, "weights": {"per": "group", "group_size": 32}}""", "'group_size' says again what 'weights.group_size' says")]
    [InlineData("""{"weights": {"per": "tensor"}, "weight_quant_method": "groupwise"}""", "'weight_quant_method' says again what 'weights.per' says")]
    [InlineData("""{"weights": {"observer": "abs_max"}, "weight_quant_method": "mse_channel_wise"}""", "'weight_quant_method' says again what 'weights.observer' says")]
    [InlineData("""{"weights": {}, "activations": {"observer": "kl"}, "act_quant_method": "avg"}""", "'act_quant_method' says again what 'activations.observer' says")]
    [InlineData("""{"kv_cache": {"observer": "abs_max"}, "cachekv_quant_method": "avg_headwise"}""", "'cachekv_quant_method' says again what 'kv_cache.observer' says")]
    [InlineData("""{"shift": {"sampler": "ema"}, "shift_sampler": "none"}""", "'shift_sampler' says again what 'shift.sampler' says")]
    [InlineData("""{"smooth": {"search": "alpha"}, "smooth_piecewise_search": true}""", "'smooth_piecewise_search' says again what 'smooth.search' says")]
    [InlineData("""{"weights": {}, "rounding": "to_even", "quant_round_type": 1}""", "'quant_round_type' says again what 'rounding' says")]
    [InlineData("""{"weights": {}, "gptq": {}, "do_gptq": false}""", "'do_gptq' says again what 'gptq' says")]
    [InlineData("""{"weights": {}, "do_awq": true, "awq": {"all_linears": false}, "smooth_all_linears": true}""", "'do_awq' says again what 'awq' says")]
    [InlineData("""{"smooth": {}, "k_piece": 2, "smooth_k_piece": 3}""", "'smooth_k_piece' says again what 'k_piece' says")]
    [InlineData("""{"smooth": {}, "do_gptq": 1}""", "'do_gptq' is 1; it must be true or false")]
    [InlineData("""{"quant_round_type": 2}""", "'quant_round_type' is 2; it must be 0")]
    [InlineData("""{"quant_type": "a8w8", "quant_max_bound": 448}""", "'quant_max_bound' is 448; codes end at 127")]
    [InlineData("""{"search_alpha_min": 0.2, "smooth": {}, "search_alpha_max": 8}""", "'search_alpha_max' is 8; it must be a number from 0 to 1")]
    [InlineData("""{"quant_type": "a8w8", "quant_bits": 4}""", "'quant_bits' is 4, but 'quant_type' says 8 bits")]
    [InlineData("""{"quant_bits": 3}""", "'quant_bits' is 3; it must be 8 or 4")]
    [InlineData("""{"quant_bits": 4, "weight_bits": 4}""", "'weight_bits' says again what 'quant_bits' says")]
    [InlineData("""{"quant_bits": 4, "groupsize": 100}""", "'groupsize' is 100; it must be a multiple of 32")]
    [InlineData("""{"quant_bits": 4, "groupsize": 64, "weight_quant_method": "groupwise"}""", "'weight_quant_method' says again what 'groupsize' says")]
    [InlineData("""{"smooth": true, "smooth_method": "other"}""", "'smooth_method' is \"other\"; it must be \"smoothquant\" or \"awq\"")]
    [InlineData("""{"smooth": true, "do_awq": true, "smooth_method": "awq"}""", "'smooth_method' says again what 'do_awq' says")]
    [InlineData("""{"smooth": {}, "smooth_method": "awq"}""", "'smooth_method' says again what 'smooth' says")]
    [InlineData("""{"smooth": true, "use_clip": true}""", "'use_clip' clips in the piecewise search there; say 'auto_clip'")]
    [InlineData("""{"skip_linear_list": ["linear_3"]}""", "'skip_linear_list' names layers by numbers of another library; say 'keep'")]
    [InlineData("[]", "it must be a JSON object")]
    [InlineData("{", "is no JSON")]
    [InlineData("""{"name": "\ud800"}""", "not Unicode")]
    public void WrongKeysAndValues_AreRefusedByName(string json, string expected)
    {
        var message = Assert.Throws<InvalidInputException>(() => Read(json)).Message;

        Assert.StartsWith("r.json", message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Edit_SetsOneKey()
    {
        var recipe = NamedRecipes.Get("w8a8-smooth");

        Assert.Equal(recipe with { Smooth = new() { Alpha = 0.6 } }, RecipeEdit.Set(recipe, "smooth.alpha=0.6"));
        Assert.Equal(recipe with { Smooth = new() { Search = SmoothSearch.Alpha } }, RecipeEdit.Set(recipe, "smooth.search=alpha"));
        Assert.Equal(recipe with { Smooth = null }, RecipeEdit.Set(recipe, "smooth=null"));
        Assert.Equal(recipe with { Gptq = new() }, RecipeEdit.Set(recipe, "gptq={}"));
        Assert.Equal(recipe with { Gptq = new() { Damping = 0.1 } }, RecipeEdit.Set(recipe, "gptq.damping=0.1"));
        Assert.Equal(recipe with { Keep = ["Llama.Head"] }, RecipeEdit.Set(recipe, "keep=[\"Llama.Head\"]"));
        Assert.Equal(recipe with { TensorParallel = 2 }, RecipeEdit.Set(recipe, "tensor_parallel=2"));
        Assert.Equal(recipe with { Smooth = new() { Search = SmoothSearch.Piecewise, Pieces = 5 } }, RecipeEdit.Set(RecipeEdit.Set(recipe, "smooth_piecewise_search=true"), "k_piece=5"));
    }

    [Theory]
    [InlineData("smooth.alpha", "write key=value")]
    [InlineData("smooth.alhpa=0.6", "did you mean 'smooth.alpha'?")]
    [InlineData("smooth.alpha=much", "'smooth.alpha' is \"much\"; it must be a number from 0 to 1")]
    [InlineData("smooth.alpha.x=1", "'smooth.alpha' is {\"x\":1}")]
    public void WrongEdit_IsRefused(string assignment, string expected) => Assert.Contains(
        expected, Assert.Throws<InvalidInputException>(() => RecipeEdit.Set(NamedRecipes.Get("w8a8-smooth"), assignment)).Message, StringComparison.Ordinal);

    [Fact]
    public void MissingFile_IsRefused() => Assert.Contains("cannot be read", Assert.Throws<InvalidInputException>(() => RecipeFile.Load("/nowhere/r.json")).Message, StringComparison.Ordinal);

    [Fact]
    public void Name_IsThatOfTheFileWhereNoneIsGiven()
    {
        var path = Path.Combine(Path.GetTempPath(), $"mine-{Guid.NewGuid():N}.json");
        File.WriteAllText(path, "\uFEFF{\"weights\": {}, // eight bits\n}");
        try
        {
            Assert.Equal(Path.GetFileNameWithoutExtension(path), RecipeFile.Load(path).Name);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static QuantRecipe Read(string json, Action<string>? note = null) => RecipeFile.Parse(Encoding.UTF8.GetBytes(json), "r.json", note);

    /// <summary>Recipes of any options in their ranges, whether or not they make sense together.</summary>
    private static Arbitrary<QuantRecipe> Recipes() => Arb.From(
        from seed in ArbMap.Default.GeneratorFor<int>()
        from texts in Gen.ListOf(Gen.Elements("Llama.Head", "*é\"\\\n*", "", "A.B@3", "\u2028 日本"), 3)
        select Recipe(new System.Random(seed), [.. texts]));

    private static QuantRecipe Recipe(System.Random random, string[] texts)
    {
        var recipe = new QuantRecipe { Name = texts.FirstOrDefault(t => t.Length > 0) ?? "named", Keep = [.. texts.Take(random.Next(3))] };
        foreach (var section in RecipeSchema.Sections)
            if (random.Next(2) == 0)
                recipe = section.With(recipe, Filled(random, section.Create(), section.Options));
        recipe = (QuantRecipe)Filled(random, recipe, RecipeSchema.Own);
        return recipe with
        {
            Overrides = [.. texts.Take(random.Next(3)).Select(t => new LayerOverride(t)
            {
                Keep = random.Next(2) == 0,
                Weights = random.Next(2) == 0 ? (WeightFormat)Filled(random, new WeightFormat(), RecipeSchema.Weights) : null,
                Activations = random.Next(2) == 0 ? (ActivationFormat)Filled(random, new ActivationFormat(), RecipeSchema.Activations) : null,
            })],
        };
    }

    private static object Filled(System.Random random, object values, IReadOnlyList<RecipeOption> options)
    {
        foreach (var option in options)
        {
            object[] candidates =
                option.Type == typeof(int) ? [1, 2, 3, 4, 8, 16, 20, 32, 64, 96, 128, 512, random.Next()]
                : option.Type == typeof(double) ? [0.0, 1.0, 0.5, random.NextDouble(), 1e-5, 5.0, 999.125, double.Epsilon]
                : option.Type == typeof(bool) ? [true, false]
                : [.. Enum.GetValues(option.Type).Cast<object>()];
            var allowed = candidates.Where(option.Allows).ToArray();
            values = option.With(values, allowed[random.Next(allowed.Length)]);
        }

        return values;
    }
}
