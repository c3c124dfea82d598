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

    [Fact]
    public void NamedRecipes_AreAllListed() => Assert.All(NamedRecipes.Names, name => Assert.Contains($"| `{name}` |", File.ReadAllText(Path), StringComparison.Ordinal));

    [Fact]
    public void Json_IsTheDeclaredRecipe()
    {
        var recipe = RecipeFile.Parse(Encoding.UTF8.GetBytes(Json().Match(File.ReadAllText(Path)).Groups["code"].Value));

        RecipeChecks.Check(recipe, Structures.Of("llama-7b"), "Llama", 32);
        Assert.Equal(RecipeFile.Hash(LlamaW8A8.Recipe), RecipeFile.Hash(recipe));
    }

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

    [GeneratedRegex("```json\\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Json();
}
