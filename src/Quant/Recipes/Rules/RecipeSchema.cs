namespace Generated.Quant.Recipes.Rules;

/// <summary>A group of options that a recipe has or has not: <see cref="QuantRecipe.Smooth"/>, <see cref="QuantRecipe.Weights"/>, …</summary>
/// <param name="Name">Name of the property.</param>
/// <param name="Create">Makes one with the defaults.</param>
/// <param name="Get">Reads it from a recipe; null where the recipe has none.</param>
/// <param name="With">The recipe with another one.</param>
/// <param name="Options">Its options, in canonical order.</param>
internal sealed record RecipeSection(
    string Name,
    Func<object> Create,
    Func<QuantRecipe, object?> Get,
    Func<QuantRecipe, object?, QuantRecipe> With,
    IReadOnlyList<RecipeOption> Options)
{
    public RecipeOption? Option(string name) => Options.FirstOrDefault(o => o.Name == name);
}

/// <summary>Every section and option of a recipe, said once: attributes, JSON, canonical form and range checks follow it.</summary>
internal static class RecipeSchema
{
    private static readonly RecipeOption[] WeightOptions =
    [
        RecipeOption.OneOf<WeightFormat>(nameof(WeightFormat.Bits), s => s.Bits, (s, v) => s with { Bits = v }, 8, 4),
        RecipeOption.Choice<WeightFormat, Granularity>(nameof(WeightFormat.Per), s => s.Per, (s, v) => s with { Per = v }),
        RecipeOption.Multiple<WeightFormat>(nameof(WeightFormat.GroupSize), s => s.GroupSize, (s, v) => s with { GroupSize = v }, 32),
        RecipeOption.Flag<WeightFormat>(nameof(WeightFormat.Symmetric), s => s.Symmetric, (s, v) => s with { Symmetric = v }),
        RecipeOption.Choice<WeightFormat, WeightObserver>(nameof(WeightFormat.Observer), s => s.Observer, (s, v) => s with { Observer = v }),
    ];

    private static readonly RecipeOption[] ActivationOptions =
    [
        RecipeOption.OneOf<ActivationFormat>(nameof(ActivationFormat.Bits), s => s.Bits, (s, v) => s with { Bits = v }, 8),
        RecipeOption.Choice<ActivationFormat, ActivationGranularity>(nameof(ActivationFormat.Per), s => s.Per, (s, v) => s with { Per = v }),
        RecipeOption.Choice<ActivationFormat, ActivationObserver>(nameof(ActivationFormat.Observer), s => s.Observer, (s, v) => s with { Observer = v }),
    ];

    /// <summary>All sections, in the order in which a recipe works.</summary>
    public static IReadOnlyList<RecipeSection> Sections { get; } =
    [
        Section<ShiftOptions>(nameof(QuantRecipe.Shift), r => r.Shift, (r, s) => r with { Shift = s },
            RecipeOption.Flag<ShiftOptions>(nameof(ShiftOptions.AllLinears), s => s.AllLinears, (s, v) => s with { AllLinears = v }),
            RecipeOption.Choice<ShiftOptions, ShiftSampler>(nameof(ShiftOptions.Sampler), s => s.Sampler, (s, v) => s with { Sampler = v })),
        Section<SmoothOptions>(nameof(QuantRecipe.Smooth), r => r.Smooth, (r, s) => r with { Smooth = s },
            RecipeOption.Real<SmoothOptions>(nameof(SmoothOptions.Alpha), s => s.Alpha, (s, v) => s with { Alpha = v }, 0, 1),
            RecipeOption.Flag<SmoothOptions>(nameof(SmoothOptions.AllLinears), s => s.AllLinears, (s, v) => s with { AllLinears = v }),
            RecipeOption.Choice<SmoothOptions, SmoothSearch>(nameof(SmoothOptions.Search), s => s.Search, (s, v) => s with { Search = v }),
            RecipeOption.Whole<SmoothOptions>(nameof(SmoothOptions.Pieces), s => s.Pieces, (s, v) => s with { Pieces = v }, 1, 64),
            RecipeOption.Flag<SmoothOptions>(nameof(SmoothOptions.SearchPieces), s => s.SearchPieces, (s, v) => s with { SearchPieces = v }),
            RecipeOption.Real<SmoothOptions>(nameof(SmoothOptions.AlphaMin), s => s.AlphaMin, (s, v) => s with { AlphaMin = v }, 0, 1),
            RecipeOption.Real<SmoothOptions>(nameof(SmoothOptions.AlphaMax), s => s.AlphaMax, (s, v) => s with { AlphaMax = v }, 0, 1),
            RecipeOption.Real<SmoothOptions>(nameof(SmoothOptions.AlphaStep), s => s.AlphaStep, (s, v) => s with { AlphaStep = v }, 0, 1, above: true),
            RecipeOption.Real<SmoothOptions>(nameof(SmoothOptions.ScaleMin), s => s.ScaleMin, (s, v) => s with { ScaleMin = v }, 0, 1000, above: true),
            RecipeOption.Real<SmoothOptions>(nameof(SmoothOptions.ScaleMax), s => s.ScaleMax, (s, v) => s with { ScaleMax = v }, 0, 1000, above: true),
            RecipeOption.Real<SmoothOptions>(nameof(SmoothOptions.ScaleStep), s => s.ScaleStep, (s, v) => s with { ScaleStep = v }, 0, 1000, above: true)),
        Section<AwqOptions>(nameof(QuantRecipe.Awq), r => r.Awq, (r, s) => r with { Awq = s },
            RecipeOption.Whole<AwqOptions>(nameof(AwqOptions.Grid), s => s.Grid, (s, v) => s with { Grid = v }, 1, 1000),
            RecipeOption.Flag<AwqOptions>(nameof(AwqOptions.AllLinears), s => s.AllLinears, (s, v) => s with { AllLinears = v })),
        Section<AutoClipOptions>(nameof(QuantRecipe.AutoClip), r => r.AutoClip, (r, s) => r with { AutoClip = s },
            RecipeOption.Whole<AutoClipOptions>(nameof(AutoClipOptions.Grid), s => s.Grid, (s, v) => s with { Grid = v }, 1, 1000),
            RecipeOption.Real<AutoClipOptions>(nameof(AutoClipOptions.MaxShrink), s => s.MaxShrink, (s, v) => s with { MaxShrink = v }, 0, 0.99, above: true),
            RecipeOption.Whole<AutoClipOptions>(nameof(AutoClipOptions.Tokens), s => s.Tokens, (s, v) => s with { Tokens = v }, 1)),
        Section<GptqOptions>(nameof(QuantRecipe.Gptq), r => r.Gptq, (r, s) => r with { Gptq = s },
            RecipeOption.Real<GptqOptions>(nameof(GptqOptions.Damping), s => s.Damping, (s, v) => s with { Damping = v }, 0, 1, above: true),
            RecipeOption.Flag<GptqOptions>(nameof(GptqOptions.ActOrder), s => s.ActOrder, (s, v) => s with { ActOrder = v }),
            RecipeOption.Whole<GptqOptions>(nameof(GptqOptions.BlockSize), s => s.BlockSize, (s, v) => s with { BlockSize = v }, 1),
            RecipeOption.Flag<GptqOptions>(nameof(GptqOptions.StaticGroups), s => s.StaticGroups, (s, v) => s with { StaticGroups = v })),
        Section<QatOptions>(nameof(QuantRecipe.Qat), r => r.Qat, (r, s) => r with { Qat = s },
            RecipeOption.Choice<QatOptions, QatWeights>(nameof(QatOptions.Weights), s => s.Weights, (s, v) => s with { Weights = v }),
            RecipeOption.Choice<QatOptions, QatActivations>(nameof(QatOptions.Activations), s => s.Activations, (s, v) => s with { Activations = v }),
            RecipeOption.Whole<QatOptions>(nameof(QatOptions.Steps), s => s.Steps, (s, v) => s with { Steps = v }, 1),
            RecipeOption.Real<QatOptions>(nameof(QatOptions.LearningRate), s => s.LearningRate, (s, v) => s with { LearningRate = v }, 0, 1, above: true)),
        Section<WeightFormat>(nameof(QuantRecipe.Weights), r => r.Weights, (r, s) => r with { Weights = s }, WeightOptions),
        Section<ActivationFormat>(nameof(QuantRecipe.Activations), r => r.Activations, (r, s) => r with { Activations = s }, ActivationOptions),
        Section<KvCacheFormat>(nameof(QuantRecipe.KvCache), r => r.KvCache, (r, s) => r with { KvCache = s },
            RecipeOption.OneOf<KvCacheFormat>(nameof(KvCacheFormat.Bits), s => s.Bits, (s, v) => s with { Bits = v }, 8),
            RecipeOption.Choice<KvCacheFormat, ActivationObserver>(nameof(KvCacheFormat.Observer), s => s.Observer, (s, v) => s with { Observer = v })),
        Section<EmbeddingFormat>(nameof(QuantRecipe.Embedding), r => r.Embedding, (r, s) => r with { Embedding = s },
            RecipeOption.OneOf<EmbeddingFormat>(nameof(EmbeddingFormat.Bits), s => s.Bits, (s, v) => s with { Bits = v }, 8, 16),
            RecipeOption.Choice<EmbeddingFormat, EmbeddingSpacing>(nameof(EmbeddingFormat.Spacing), s => s.Spacing, (s, v) => s with { Spacing = v }),
            RecipeOption.Flag<EmbeddingFormat>(nameof(EmbeddingFormat.TiedHead), s => s.TiedHead, (s, v) => s with { TiedHead = v })),
    ];

    /// <summary>What belongs to no section.</summary>
    public static IReadOnlyList<RecipeOption> Own { get; } =
    [
        RecipeOption.Whole<QuantRecipe>(nameof(QuantRecipe.TensorParallel), r => r.TensorParallel, (r, v) => r with { TensorParallel = v }, 1, 1024),
        RecipeOption.Choice<QuantRecipe, Rounding>(nameof(QuantRecipe.Rounding), r => r.Rounding, (r, v) => r with { Rounding = v }),
    ];

    /// <summary>Options of an override's weights.</summary>
    public static IReadOnlyList<RecipeOption> Weights => WeightOptions;

    /// <summary>Options of an override's activations.</summary>
    public static IReadOnlyList<RecipeOption> Activations => ActivationOptions;

    public static RecipeSection Section(string name) => Sections.First(s => s.Name == name);

    /// <summary>How files write a name: <c>AlphaMin</c> as <c>alpha_min</c>.</summary>
    public static string Key(string name) =>
        string.Concat(name.Select((c, i) => char.IsUpper(c) ? (i == 0 ? "" : "_") + char.ToLowerInvariant(c) : c.ToString()));

    private static RecipeSection Section<T>(
        string name, Func<QuantRecipe, T?> get, Func<QuantRecipe, T?, QuantRecipe> with, params RecipeOption[] options)
        where T : class, new() => new(name, () => new T(), get, (r, s) => with(r, (T?)s), options);
}
