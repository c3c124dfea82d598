using System.Text.Json;
using Generated.Quant.Recipes.Rules;

namespace Generated.Quant.Recipes.Files;

/// <summary>
/// The flat keys of PaddleNLP's quantization arguments and PaddleSlim's constructors. A method's options without the method
/// (<c>smooth_k_piece</c> beside <c>"smooth": false</c>) are as idle there as here; a note says so.
/// </summary>
internal sealed class PaddleKeys(RecipeKeys keys, Action<string>? note)
{
    private const string Shift = nameof(QuantRecipe.Shift), Smooth = nameof(QuantRecipe.Smooth), Awq = nameof(QuantRecipe.Awq),
        AutoClip = nameof(QuantRecipe.AutoClip), Gptq = nameof(QuantRecipe.Gptq), Weights = nameof(QuantRecipe.Weights), Qat = nameof(QuantRecipe.Qat);

    /// <summary>Keys that turn a method on; some are also names of own sections, which are objects.</summary>
    private static readonly Dictionary<string, string> Switches = new(StringComparer.Ordinal)
    {
        ["shift"] = Shift,
        ["smooth"] = Smooth,
        ["auto_clip"] = AutoClip,
        ["do_awq"] = Awq,
        ["do_gptq"] = Gptq,
        ["do_qat"] = Qat,
    };

    /// <summary>Keys that are an own option under another name.</summary>
    private static readonly Dictionary<string, (string Section, string Option)> Options = new(StringComparer.Ordinal)
    {
        ["shift_all_linears"] = (Shift, nameof(ShiftOptions.AllLinears)),
        ["smooth_all_linears"] = (Smooth, nameof(SmoothOptions.AllLinears)),
        ["smooth_k_piece"] = (Smooth, nameof(SmoothOptions.Pieces)),
        ["k_piece"] = (Smooth, nameof(SmoothOptions.Pieces)),
        ["smooth_search_piece"] = (Smooth, nameof(SmoothOptions.SearchPieces)),
        ["search_piece"] = (Smooth, nameof(SmoothOptions.SearchPieces)),
        ["search_alpha_min"] = (Smooth, nameof(SmoothOptions.AlphaMin)),
        ["search_alpha_max"] = (Smooth, nameof(SmoothOptions.AlphaMax)),
        ["search_scale_min"] = (Smooth, nameof(SmoothOptions.ScaleMin)),
        ["search_scale_max"] = (Smooth, nameof(SmoothOptions.ScaleMax)),
        ["alpha"] = (Smooth, nameof(SmoothOptions.Alpha)),
        ["n_grid"] = (Awq, nameof(AwqOptions.Grid)),
        ["max_shrink"] = (AutoClip, nameof(AutoClipOptions.MaxShrink)),
        ["n_sample_token"] = (AutoClip, nameof(AutoClipOptions.Tokens)),
        ["percdamp"] = (Gptq, nameof(GptqOptions.Damping)),
        ["actorder"] = (Gptq, nameof(GptqOptions.ActOrder)),
        ["blocksize"] = (Gptq, nameof(GptqOptions.BlockSize)),
        ["static_groups"] = (Gptq, nameof(GptqOptions.StaticGroups)),
        ["group_size"] = (Weights, nameof(WeightFormat.GroupSize)),
    };

    /// <summary>Keys with a translation of their own.</summary>
    private static readonly string[] Special =
    [
        "quant_type", "weight_quant_method", "act_quant_method", "cachekv_quant_method", "shift_sampler", "smooth_piecewise_search",
        "skip_list_names", "quant_round_type", "quant_max_bound", "quant_min_bound", "smooth_method", "groupsize", "quant_bits", "weight_bits",
        "bits_length",
    ];

    private static readonly string[] BitKeys = ["quant_bits", "weight_bits", "bits_length"];

    /// <summary>Keys that say nothing about the result: what runs is the command's business here.</summary>
    private static readonly string[] Idle =
    [
        "do_ptq", "ptq_step", "gptq_step", "awq_step", "autoclip_step", "shift_step", "smooth_step", "smooth_sampler", "load_quant_model",
        "do_quant_debug", "test_sample", "fp8_type", "llm_int8_threshold", "start_sample_step", "fused_qkv", "parallel_ffn", "linear_flag",
        "norm_flag",
    ];

    /// <summary>Keys that are known and mean something that a recipe cannot say so, with the reason.</summary>
    private static readonly Dictionary<string, string> Refused = new(StringComparer.Ordinal)
    {
        ["sample_function"] = "is a function there; say 'shift.sampler'",
        ["search_function"] = "is a function there; say 'smooth.search' or 'awq'",
        ["loss_function"] = "is a function there; searches here compare squared errors of the output",
        ["use_clip"] = "clips in the piecewise search there; say 'auto_clip'",
        ["search_clip"] = "clips in the piecewise search there; say 'auto_clip'",
        ["skip_norm_list"] = "names layers by numbers of another library; norms that cannot fold are known here",
        ["skip_linear_list"] = "names layers by numbers of another library; say 'keep'",
        ["model_config"] = "describes the model's structure; here it is known from the architecture",
        ["hist_percent"] = "cannot be set; the observer \"histogram\" keeps 0.9999 of the magnitudes",
        ["round_type"] = "belongs to static graphs; say 'gptq' or 'qat' for learned rounding and 'rounding' for ties",
        ["bias_correction"] = "belongs to static graphs; 'gptq' makes up for the errors of rounding",
        ["batch_init"] = "cannot be set; learned scales begin with the first batch",
    };

    /// <summary>The own key that a key with a translation sets.</summary>
    private static readonly Dictionary<string, string> SpecialTargets = new(StringComparer.Ordinal)
    {
        ["act_quant_method"] = "activations.observer",
        ["cachekv_quant_method"] = "kv_cache.observer",
        ["shift_sampler"] = "shift.sampler",
        ["smooth_piecewise_search"] = "smooth.search",
        ["quant_round_type"] = "rounding",
        ["quant_bits"] = "weights.bits",
        ["weight_bits"] = "weights.bits",
        ["bits_length"] = "weights.bits",
    };

    private readonly Dictionary<string, JsonElement> _given = new(StringComparer.Ordinal);

    public static IEnumerable<string> All => Switches.Keys.Concat(Options.Keys).Concat(Special).Concat(Idle).Concat(Refused.Keys);

    /// <summary>Whether a key is Paddle's alone.</summary>
    public static bool Knows(string key) => All.Contains(key) && !Shares(key);

    /// <summary>Whether a key is Paddle's as true or false, and the recipe's own as an object.</summary>
    public static bool Shares(string key) => Switches.ContainsKey(key) && RecipeSchema.Sections.Any(s => RecipeSchema.Key(s.Name) == key);

    /// <summary>Whether smoothing is by AWQ's search: there, that is a way to smooth and needs smoothing to be on.</summary>
    private bool IsAwq => _given.ContainsKey("do_awq") || (_given.TryGetValue("smooth_method", out var method) && SmoothMethod(method));

    public void Add(string key, JsonElement value)
    {
        if (Refused.TryGetValue(key, out var reason))
            throw keys.Refuse(key, reason);
        _given.Add(key, value);
    }

    /// <summary>Refuses a key that sets what an own key, or another of Paddle's, sets as well: one of them would silently win.</summary>
    /// <param name="said">The own keys that the file has, as <c>smooth.alpha</c>.</param>
    public void RefuseTwice(IReadOnlySet<string> said)
    {
        var setBy = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in _given)
        {
            foreach (var target in Targets(key, value))
            {
                if (said.Contains(target))
                    throw keys.Refuse(key, $"says again what '{target}' says");
                if (!setBy.TryAdd(target, key))
                    throw keys.Refuse(key, $"says again what '{setBy[target]}' says");
            }
        }
    }

    /// <summary>The recipe with all that was given.</summary>
    public QuantRecipe Apply(QuantRecipe recipe)
    {
        recipe = Bits(Formats(recipe));
        foreach (var (key, value) in _given)
            if (Switches.TryGetValue(key, out var name) && keys.Flag(key, value))
                recipe = On(recipe, key, RecipeSchema.Section(name));
        if (_given.ContainsKey("smooth_method") && recipe.Smooth is not null && !_given.ContainsKey("smooth"))
            throw keys.Refuse("smooth_method", "says again what 'smooth' says");
        if (_given.ContainsKey("smooth_method"))
            recipe = Method(recipe, "smooth_method", recipe.Smooth, recipe.Smooth, (r, _) => IsAwq ? r with { Awq = r.Awq ?? new() } : r);
        if (recipe is { Awq: not null, Smooth: not null } && IsAwq && _given.ContainsKey("smooth"))
            recipe = recipe with { Smooth = null };
        foreach (var (key, value) in _given)
        {
            if (Options.TryGetValue(key, out var target))
                recipe = Set(recipe, key, value, target.Section, target.Option);
            else if (Idle.Contains(key))
                note?.Invoke($"'{key}' has no effect: it is no part of a recipe");
        }

        return Specials(recipe);
    }

    /// <summary>The own keys that a key sets.</summary>
    private IEnumerable<string> Targets(string key, JsonElement value)
    {
        if (Switches.TryGetValue(key, out var section))
            return [RecipeSchema.Key(section)];
        if (Options.TryGetValue(key, out var option))
        {
            // Of the smoothing that AWQ replaces, this option is AWQ's.
            var sections = key == "smooth_all_linears" && IsAwq ? new[] { option.Section, Awq } : [option.Section];
            return sections.Select(name => $"{RecipeSchema.Key(name)}.{RecipeSchema.Key(option.Option)}");
        }

        if (key == "smooth_method")
            return SmoothMethod(value) ? ["awq"] : [];
        if (key == "groupsize")
            return ["weights.per", "weights.group_size"];
        if (key == "weight_quant_method")
            return keys.Text(key, value) == "mse_channel_wise" ? ["weights.per", "weights.observer"] : ["weights.per"];
        return SpecialTargets.TryGetValue(key, out var target) ? [target] : [];
    }

    private QuantRecipe On(QuantRecipe recipe, string key, RecipeSection section)
    {
        if (section.Get(recipe) is not null)
            throw keys.Refuse(key, $"says again what '{RecipeSchema.Key(section.Name)}' says");
        return section.With(recipe, section.Name switch
        {
            Shift when !_given.ContainsKey("shift_sampler") => new ShiftOptions { Sampler = ShiftSampler.Ema },
            Qat when recipe.Activations is not null => new QatOptions { Activations = QatActivations.PactMovingAverage },
            _ => section.Create(),
        });
    }

    private QuantRecipe Set(QuantRecipe recipe, string key, JsonElement value, string sectionName, string optionName)
    {
        var section = RecipeSchema.Section(sectionName);
        var option = section.Option(optionName)!;
        var read = keys.Value(option, key, value);
        if (section.Get(recipe) is { } current)
            return section.With(recipe, option.With(current, read));
        // The smoothing that AWQ replaces has options of the same name.
        if (sectionName == Smooth && optionName == nameof(SmoothOptions.AllLinears) && recipe.Awq is { } awq)
            return recipe with { Awq = awq with { AllLinears = (bool)read } };
        note?.Invoke($"'{key}' has no effect: the recipe has no '{RecipeSchema.Key(sectionName)}'");
        return recipe;
    }

    private QuantRecipe Formats(QuantRecipe recipe)
    {
        if (!_given.TryGetValue("quant_type", out var given))
            return recipe;
        if (recipe.Weights is not null || recipe.Activations is not null)
            throw keys.Refuse("quant_type", "says again what 'weights' and 'activations' say");
        var activations = new ActivationFormat { Observer = ActivationObserver.Average };
        return keys.Text("quant_type", given).ToLowerInvariant() switch
        {
            "a8w8" => recipe with { Weights = new(), Activations = activations },
            "a8w8c8" => recipe with { Weights = new(), Activations = activations, KvCache = recipe.KvCache ?? new() { Observer = ActivationObserver.Average } },
            "weight_only_int8" or "wint8" => recipe with { Weights = new() },
            "weight_only_int4" or "wint4" => recipe with { Weights = new() { Bits = 4 } },
            "a8w4" => recipe with { Weights = new() { Bits = 4 }, Activations = activations },
            _ => throw keys.Refuse("quant_type", $"is {given.GetRawText()}; it must be \"a8w8\", \"a8w8c8\", \"a8w4\", \"weight_only_int8\" or \"weight_only_int4\""),
        };
    }

    /// <summary>Bits and groups of constructors; where no other key says so, they say that weights are quantized.</summary>
    private QuantRecipe Bits(QuantRecipe recipe)
    {
        foreach (var key in BitKeys)
        {
            if (!_given.TryGetValue(key, out var value))
                continue;
            var bits = (int)keys.Value(RecipeSchema.Weights.First(o => o.Name == nameof(WeightFormat.Bits)), key, value);
            if (_given.ContainsKey("quant_type") && recipe.Weights is { } format && format.Bits != bits)
                throw keys.Refuse(key, $"is {bits}, but 'quant_type' says {format.Bits} bits");
            recipe = recipe with { Weights = (recipe.Weights ?? new()) with { Bits = bits } };
        }

        if (!_given.TryGetValue("groupsize", out var size))
            return recipe;
        var weights = recipe.Weights ?? new();
        return recipe with
        {
            Weights = size.ValueKind == JsonValueKind.Number && size.TryGetInt32(out var whole) && whole == -1
                ? weights with { Per = Granularity.Channel }
                : weights with { Per = Granularity.Group, GroupSize = (int)keys.Value(RecipeSchema.Weights.First(o => o.Name == nameof(WeightFormat.GroupSize)), "groupsize", size) },
        };
    }

    private bool SmoothMethod(JsonElement value) => keys.Text("smooth_method", value) switch
    {
        "awq" => true,
        "smoothquant" => false,
        _ => throw keys.Refuse("smooth_method", $"is {value.GetRawText()}; it must be \"smoothquant\" or \"awq\""),
    };

    private QuantRecipe Specials(QuantRecipe recipe)
    {
        foreach (var (key, value) in _given)
        {
            recipe = key switch
            {
                "weight_quant_method" => Method(recipe, key, recipe.Weights, WeightMethod(key, value, recipe.Weights), (r, v) => r with { Weights = v }),
                "act_quant_method" => Method(recipe, key, recipe.Activations, recipe.Activations is { } a ? a with { Observer = Observer(key, value) } : null, (r, v) => r with { Activations = v }),
                "cachekv_quant_method" => Method(recipe, key, recipe.KvCache, recipe.KvCache is { } c ? c with { Observer = CacheObserver(key, value) } : null, (r, v) => r with { KvCache = v }),
                "shift_sampler" => Method(recipe, key, recipe.Shift, recipe.Shift is { } s ? s with { Sampler = Sampler(key, value) } : null, (r, v) => r with { Shift = v }),
                "smooth_piecewise_search" when keys.Flag(key, value) => Method(
                    recipe, key, recipe.Smooth, recipe.Smooth is { } s ? s with { Search = SmoothSearch.Piecewise } : null, (r, v) => r with { Smooth = v }),
                "skip_list_names" => recipe with { Keep = [.. recipe.Keep, .. keys.Texts(key, value).Select(name => $"*{name}*")] },
                "quant_round_type" => recipe with { Rounding = RoundingOf(key, value) },
                "quant_max_bound" => Bound(recipe, key, value, 127),
                "quant_min_bound" => Bound(recipe, key, value, -127),
                _ => recipe,
            };
        }

        return recipe;
    }

    private QuantRecipe Method<T>(QuantRecipe recipe, string key, T? current, T? changed, Func<QuantRecipe, T, QuantRecipe> with)
        where T : class
    {
        if (current is not null && changed is not null)
            return with(recipe, changed);
        note?.Invoke($"'{key}' has no effect: the recipe has nothing that it is about");
        return recipe;
    }

    private WeightFormat? WeightMethod(string key, JsonElement value, WeightFormat? format) => keys.Text(key, value) switch
    {
        "abs_max_channel_wise" => format is null ? null : format with { Per = Granularity.Channel },
        "mse_channel_wise" => format is null ? null : format with { Per = Granularity.Channel, Observer = WeightObserver.Mse },
        "groupwise" => format is null ? null : format with { Per = Granularity.Group },
        "abs_max" => format is null ? null : format with { Per = Granularity.Tensor },
        _ => throw keys.Refuse(key, $"is {value.GetRawText()}; it must be \"abs_max_channel_wise\", \"mse_channel_wise\", \"groupwise\" or \"abs_max\""),
    };

    private ActivationObserver Observer(string key, JsonElement value) => keys.Text(key, value) switch
    {
        "abs_max" => ActivationObserver.AbsMax,
        "avg" => ActivationObserver.Average,
        "hist" => ActivationObserver.Histogram,
        "kl" or "KL" => ActivationObserver.Kl,
        "mse" => ActivationObserver.Mse,
        "emd" => ActivationObserver.Emd,
        _ => throw keys.Refuse(key, $"is {value.GetRawText()}; it must be \"abs_max\", \"avg\", \"hist\", \"kl\", \"mse\" or \"emd\""),
    };

    private ActivationObserver CacheObserver(string key, JsonElement value) => keys.Text(key, value) switch
    {
        "abs_max_headwise" => ActivationObserver.AbsMax,
        "avg_headwise" => ActivationObserver.Average,
        _ => throw keys.Refuse(key, $"is {value.GetRawText()}; it must be \"avg_headwise\" or \"abs_max_headwise\""),
    };

    private ShiftSampler Sampler(string key, JsonElement value) => keys.Text(key, value) switch
    {
        "ema" => ShiftSampler.Ema,
        "none" => ShiftSampler.MinMax,
        _ => throw keys.Refuse(key, $"is {value.GetRawText()}; it must be \"ema\" or \"none\""),
    };

    private Rounding RoundingOf(string key, JsonElement value) => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var type) && type is 0 or 1
        ? type == 0 ? Rounding.ToEven : Rounding.AwayFromZero
        : throw keys.Refuse(key, $"is {value.GetRawText()}; it must be 0 (ties to even) or 1 (ties away from zero)");

    private QuantRecipe Bound(QuantRecipe recipe, string key, JsonElement value, int expected) =>
        value.ValueKind == JsonValueKind.Number && value.GetDouble() == expected
            ? recipe
            : throw keys.Refuse(key, $"is {value.GetRawText()}; codes end at {expected}");
}
