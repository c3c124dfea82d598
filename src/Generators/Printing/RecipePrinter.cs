using Generated.Generators.Graph;
using Generated.Quant.Recipes;
using Generated.Quant.Recipes.Rules;

namespace Generated.Generators.Printing;

/// <summary>Prints the other half of a declared recipe: what its attributes say, as the record that quantization takes.</summary>
internal static class RecipePrinter
{
    private const string Recipes = "global::Generated.Quant.Recipes";

    public static string Print(RecipeSpec spec)
    {
        var writer = new SourceWriter();
        FilePrinter.Header(writer, spec.Namespace);
        using (writer.Block($"partial class {spec.Name}"))
        {
            writer.Line($"/// <summary>The declared recipe for <see cref=\"{spec.Model}\"/>: {Quoting.Xml(Words(spec.Recipe))}.</summary>")
                .Line($"public static {Recipes}.QuantRecipe Recipe {{ get; }} = new()").Line("{");
            using (writer.Indented("};"))
                foreach (var property in Properties(spec.Recipe)) writer.Line(property + ",");
        }

        return writer.ToString();
    }

    private static IEnumerable<string> Properties(QuantRecipe recipe)
    {
        yield return $"Name = {Quoting.Literal(recipe.Name)}";
        foreach (var section in RecipeSchema.Sections)
            if (section.Get(recipe) is { } values) yield return $"{section.Name} = {Creation(values, section.Create(), section.Options)}";
        if (recipe.Keep.Count > 0) yield return $"Keep = {Quoting.Literals(recipe.Keep)}";
        if (recipe.Overrides.Count > 0) yield return $"Overrides =\n[\n{string.Join("\n", recipe.Overrides.Select(o => $"    {Override(o)},"))}\n]";
        foreach (var option in Options(recipe, new QuantRecipe(), RecipeSchema.Own)) yield return option;
    }

    private static string Override(LayerOverride entry)
    {
        var properties = new List<string>();
        if (entry.Weights is { } weights) properties.Add($"Weights = {Creation(weights, new WeightFormat(), RecipeSchema.Weights)}");
        if (entry.Activations is { } activations) properties.Add($"Activations = {Creation(activations, new ActivationFormat(), RecipeSchema.Activations)}");
        if (entry.Keep) properties.Add("Keep = true");
        return $"new({Quoting.Literal(entry.Layer)}){(properties.Count == 0 ? "" : $" {{ {string.Join(", ", properties)} }}")}";
    }

    private static string Creation(object values, object defaults, IReadOnlyList<RecipeOption> options)
    {
        var said = Options(values, defaults, options).ToList();
        return said.Count == 0 ? "new()" : $"new() {{ {string.Join(", ", said)} }}";
    }

    /// <summary>The options that differ from the defaults, as assignments.</summary>
    private static IEnumerable<string> Options(object values, object defaults, IReadOnlyList<RecipeOption> options) => options
        .Where(o => !o.Get(values).Equals(o.Get(defaults)))
        .Select(o => $"{o.Name} = {Value(o, o.Get(values))}");

    private static string Value(RecipeOption option, object value) => option.Type switch
    {
        { IsEnum: true } type => Enum.IsDefined(type, value)
            ? $"{Recipes}.{type.Name}.{value}"
            : $"({Recipes}.{type.Name})({Convert.ToInt32(value, System.Globalization.CultureInfo.InvariantCulture)})",
        _ => value switch
        {
            double.NaN => "double.NaN",
            double.PositiveInfinity => "double.PositiveInfinity",
            double.NegativeInfinity => "double.NegativeInfinity",
            _ => RecipeOption.Text(value),
        },
    };

    /// <summary>For the documentation: what it does, in the order in which it does it.</summary>
    private static string Words(QuantRecipe recipe)
    {
        var parts = new List<string>();
        if (recipe.Shift is { } shift) parts.Add($"shift{All(shift.AllLinears)}");
        if (recipe.Smooth is { } smooth)
            parts.Add((smooth.Search switch { SmoothSearch.None => $"smooth (α = {RecipeOption.Text(smooth.Alpha)})", SmoothSearch.Alpha => "smooth (α searched)", _ => "smooth (piecewise search)" }) + All(smooth.AllLinears));
        if (recipe.Awq is { } awq) parts.Add($"AWQ{All(awq.AllLinears)}");
        if (recipe.AutoClip is not null) parts.Add("clipping search");
        if (recipe.Weights is { } weights)
            parts.Add($"{weights.Bits}-bit weights {(weights.Per switch { Granularity.Tensor => "per tensor", Granularity.Channel => "per channel", _ => $"in groups of {weights.GroupSize}" })} by {(recipe.Gptq is not null ? "GPTQ" : recipe.Qat is not null ? "training" : "rounding")}");
        if (recipe.Activations is { } activations) parts.Add($"{activations.Bits}-bit activations {(activations.Per == ActivationGranularity.Tensor ? "per tensor" : "per token")}");
        if (recipe.KvCache is { } cache) parts.Add($"{cache.Bits}-bit keys and values");
        if (recipe.Embedding is { } embedding) parts.Add($"{embedding.Bits}-bit embedding");
        return string.Join(", ", parts);
    }

    private static string All(bool allLinears) => allLinears ? " in front of all linears" : "";
}
