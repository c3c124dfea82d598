namespace Generated.Quant.Recipes.Rules;

/// <summary>Values outside their range, and options that nothing reads.</summary>
internal static class ValueRules
{
    public static IEnumerable<RecipeFinding> Of(QuantRecipe recipe)
    {
        foreach (var section in RecipeSchema.Sections)
            if (section.Get(recipe) is { } values)
                foreach (var finding in Ranges(values, section.Options, section.Name, section.Name))
                    yield return finding;
        foreach (var finding in Ranges(recipe, RecipeSchema.Own, "", ""))
            yield return finding;
        for (var i = 0; i < recipe.Overrides.Count; i++)
        {
            var (entry, place) = (recipe.Overrides[i], $"Overrides:{i}");
            if (entry.Weights is { } weights)
                foreach (var finding in Ranges(weights, RecipeSchema.Weights, $"Weights of override '{entry.Layer}'", place))
                    yield return finding;
            if (entry.Activations is { } activations)
                foreach (var finding in Ranges(activations, RecipeSchema.Activations, $"Activations of override '{entry.Layer}'", place))
                    yield return finding;
        }

        if (recipe.Smooth is { } smooth)
            foreach (var finding in Search(smooth))
                yield return finding;
        foreach (var finding in Formats(recipe))
            yield return finding;
    }

    private static IEnumerable<RecipeFinding> Ranges(object values, IReadOnlyList<RecipeOption> options, string words, string place)
    {
        foreach (var option in options)
        {
            var value = option.Get(values);
            // A group size that nothing reads may be anything.
            if (values is WeightFormat { Per: not Granularity.Group } && option.Name == nameof(WeightFormat.GroupSize))
                continue;
            if (!option.Allows(value))
            {
                var separator = words.Length == 0 ? "" : words.Contains(' ') ? ": " : ".";
                yield return RecipeRule.InvalidValue.At(
                    Place(place, option.Name), words + separator + option.Name, RecipeOption.Text(value), option.Allowed);
            }
        }
    }

    private static string Place(string section, string option) => section.Length == 0 ? option : $"{section}.{option}";

    private static IEnumerable<RecipeFinding> Search(SmoothOptions smooth)
    {
        if (smooth.AlphaMin > smooth.AlphaMax)
            yield return RecipeRule.InvalidValue.At("Smooth.AlphaMin", "Smooth.AlphaMin", RecipeOption.Text(smooth.AlphaMin), $"at most AlphaMax, {RecipeOption.Text(smooth.AlphaMax)}");
        if (smooth.ScaleMin > smooth.ScaleMax)
            yield return RecipeRule.InvalidValue.At("Smooth.ScaleMin", "Smooth.ScaleMin", RecipeOption.Text(smooth.ScaleMin), $"at most ScaleMax, {RecipeOption.Text(smooth.ScaleMax)}");

        var defaults = new SmoothOptions();
        var unread = smooth.Search switch
        {
            SmoothSearch.None => ["AlphaMin", "AlphaMax", "AlphaStep", "Pieces", "SearchPieces", "ScaleMin", "ScaleMax", "ScaleStep"],
            SmoothSearch.Alpha => ["Alpha", "Pieces", "SearchPieces", "ScaleMin", "ScaleMax", "ScaleStep"],
            _ => new[] { "Alpha" },
        };
        foreach (var option in RecipeSchema.Section(nameof(QuantRecipe.Smooth)).Options)
        {
            if (Array.IndexOf(unread, option.Name) < 0 || option.Get(smooth).Equals(option.Get(defaults)))
                continue;
            var why = option.Name == "Alpha" ? "the search finds it" : smooth.Search == SmoothSearch.None ? "nothing is searched" : "the search is not piecewise";
            yield return RecipeRule.NoEffect.At($"Smooth.{option.Name}", $"Smooth.{option.Name}", why);
        }
    }

    private static IEnumerable<RecipeFinding> Formats(QuantRecipe recipe)
    {
        const string unread = "it is read with Per = Group only";
        if (recipe.Weights is { Per: not Granularity.Group } weights && weights.GroupSize != new WeightFormat().GroupSize)
            yield return RecipeRule.NoEffect.At("Weights.GroupSize", "Weights.GroupSize", unread);
        if (recipe.Activations is { Per: ActivationGranularity.Token, Observer: not ActivationObserver.AbsMax })
            yield return RecipeRule.NoEffect.At("Activations.Observer", "Activations.Observer", "scales per token are taken as they come and observe nothing");
    }
}
