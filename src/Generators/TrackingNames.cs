namespace Generated.Generators;

/// <summary>Names of the pipeline's steps, by which tests see what an edit recomputed.</summary>
internal static class TrackingNames
{
    /// <summary>Parsed classes with their diagnostics: runs on every edit.</summary>
    public const string Classes = nameof(Classes);

    /// <summary>Parsed configs with their diagnostics: runs on every edit.</summary>
    public const string Configs = nameof(Configs);

    /// <summary>The graph of a class, marked broken where an analysis finds an error: all that the class's source depends on.</summary>
    public const string ClassSpecs = nameof(ClassSpecs);

    /// <summary>The properties and presets of a config: all that the config's source depends on.</summary>
    public const string ConfigSpecs = nameof(ConfigSpecs);

    /// <summary>The models of the assembly, by name.</summary>
    public const string Registry = nameof(Registry);

    /// <summary>Parsed recipes with their diagnostics: runs on every edit.</summary>
    public const string Recipes = nameof(Recipes);

    /// <summary>A declared recipe: all that its source depends on.</summary>
    public const string RecipeSpecs = nameof(RecipeSpecs);

    /// <summary>What the rules find in a recipe for the model's graph.</summary>
    public const string RecipeFindings = nameof(RecipeFindings);
}
