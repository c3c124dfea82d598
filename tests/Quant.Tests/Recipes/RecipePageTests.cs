using System.Text;
using System.Text.RegularExpressions;
using Generated.Quant.Recipes;
using Generated.Quant.Recipes.Files;
using Generated.Quant.Recipes.Rules;

namespace Quant.Tests.Recipes;

/// <summary>
/// docs/recipes.md: its tables are those of the code, its JSON is a recipe. <c>GENERATED_UPDATE_SNAPSHOTS=1 dotnet test</c> rewrites the
/// table of options.
/// </summary>
public sealed partial class RecipePageTests
{
    private const string Begin = "<!-- options -->\n", End = "<!-- end of options -->";
    private static readonly string Path = System.IO.Path.Combine(Root(), "docs", "recipes.md");

    [Fact]
    public void Options_AreThoseOfTheSchema()
    {
        var text = File.ReadAllText(Path);
        var (begin, end) = (text.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length, text.IndexOf(End, StringComparison.Ordinal));
        if (Environment.GetEnvironmentVariable("GENERATED_UPDATE_SNAPSHOTS") == "1")
            File.WriteAllText(Path, text[..begin] + Table() + text[end..]);
        else
            Assert.Equal(Table(), text[begin..end]);
    }

    [Fact]
    public void PaddlesKeys_AreAllNamed() => Assert.All(PaddleKeys.All, key => Assert.Contains($"`{key}`", File.ReadAllText(Path), StringComparison.Ordinal));

    /// <summary>The other way round: every key of the page's table is taken, with an effect or with a note, or refused for a reason of its own.</summary>
    [Fact]
    public void NamedKeys_AreAllTakenOrRefusedForAReason()
    {
        var table = File.ReadAllText(Path).Split("## PaddleSlim's and PaddleNLP's keys")[1];
        var named = table.Split('\n').Where(l => l.StartsWith("| `", StringComparison.Ordinal)).SelectMany(l => Names().Matches(l.Split(" | ")[0]).Select(m => m.Groups[1].Value)).ToList();

        Assert.Superset(ConstructorParameters.ToHashSet(), named.ToHashSet());
        Assert.All(named, key =>
        {
            Assert.Contains(key, PaddleKeys.All);
            // None takes a list of a list, so that each is refused: by its own rule, not as a key that is not known.
            var notes = new List<string>();
            var message = Record.Exception(() => RecipeFile.Parse(Encoding.UTF8.GetBytes($$"""{"weights": {}, "smooth": {}, "shift": {}, "activations": {}, "kv_cache": {}, "{{(Methods.Contains(key) ? "do_gptq" : key)}}": [[1]]}"""), "r.json", notes.Add))?.Message;
            Assert.True(message is null ? notes.Any(n => n.StartsWith($"'{key}'", StringComparison.Ordinal)) : !message.Contains("not known", StringComparison.Ordinal), $"{key}: {message}");
        });
    }

    [Fact]
    public void NamedRecipes_AreAllListed() => Assert.All(NamedRecipes.Names, name => Assert.Contains($"| `{name}` |", File.ReadAllText(Path), StringComparison.Ordinal));

    [Fact]
    public void Json_IsTheDeclaredRecipe()
    {
        var recipe = RecipeFile.Parse(Encoding.UTF8.GetBytes(Json().Match(File.ReadAllText(Path)).Groups["code"].Value));

        RecipeChecks.Check(recipe, Structures.Of("llama-7b"), "Llama", 32);
        Assert.Equal(RecipeFile.Hash(LlamaW8A8.Recipe), RecipeFile.Hash(recipe));
    }

    /// <summary>Keys that are also the names of own sections.</summary>
    private static readonly string[] Methods = ["shift", "smooth", "auto_clip"];

    /// <summary>Parameters of the constructors and functions of PaddleSlim's advanced quantization and of PaddleNLP's arguments, as they are published.</summary>
    private static readonly string[] ConstructorParameters =
    [
        "quant_type", "fp8_type", "weight_quant_method", "act_quant_method", "cachekv_quant_method", "do_ptq", "ptq_step", "do_gptq", "gptq_step", "do_awq",
        "awq_step", "auto_clip", "autoclip_step", "do_qat", "shift", "shift_all_linears", "shift_sampler", "shift_step", "smooth", "smooth_all_linears",
        "smooth_sampler", "smooth_step", "smooth_piecewise_search", "smooth_k_piece", "smooth_search_piece", "search_alpha_min", "search_alpha_max",
        "search_scale_min", "search_scale_max", "skip_list_names", "load_quant_model", "do_quant_debug", "test_sample", "quant_round_type",
        "quant_max_bound", "quant_min_bound", "llm_int8_threshold", "model_config", "sample_function", "alpha", "start_sample_step", "smooth_method",
        "search_function", "k_piece", "bits_length", "search_piece", "use_clip", "search_clip", "loss_function", "quant_bits", "blocksize", "percdamp",
        "groupsize", "actorder", "n_grid", "group_size", "weight_bits", "max_shrink", "n_sample_token", "fused_qkv", "linear_flag", "norm_flag",
        "parallel_ffn", "skip_norm_list", "skip_linear_list", "hist_percent", "round_type", "bias_correction", "batch_init",
    ];

    private static string Table()
    {
        var table = new StringBuilder("| key in files | attribute | values | default |\n|---|---|---|---|\n");
        foreach (var section in RecipeSchema.Sections)
        {
            var attribute = section.Name == nameof(QuantRecipe.Embedding) ? "TokenEmbedding" : section.Name;
            foreach (var option in section.Options)
                Row($"{RecipeSchema.Key(section.Name)}.{RecipeSchema.Key(option.Name)}", $"[{attribute}({option.Name} = …)]", option, section.Create());
        }

        foreach (var option in RecipeSchema.Own)
            Row(RecipeSchema.Key(option.Name), $"[Quantize<T>({option.Name} = …)]", option, new QuantRecipe());
        return table.ToString();

        void Row(string key, string attribute, RecipeOption option, object defaults)
        {
            var value = option.Get(defaults);
            var words = option.Type.IsEnum ? $"`\"{RecipeSchema.Key(value.ToString()!)}\"`" : $"`{RecipeOption.Text(value)}`";
            table.Append($"| `{key}` | `{attribute}` | {(option.Type.IsEnum ? $"`{RecipeKeys.Allowed(option).Replace(" or ", "` `", StringComparison.Ordinal)}`" : option.Allowed)} | {words} |\n");
        }
    }

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(System.IO.Path.Combine(folder.FullName, "Generated.sln")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("The tests run outside the repository.");
    }

    [GeneratedRegex("`([a-z0-9_]+)`")]
    private static partial Regex Names();

    [GeneratedRegex("```json\\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Json();
}
