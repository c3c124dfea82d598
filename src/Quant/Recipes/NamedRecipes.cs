using Generated.Generators.Parsing;

namespace Generated.Quant.Recipes;

/// <summary>The recipes that <c>generated quantize --recipe</c> knows by name.</summary>
public static class NamedRecipes
{
    /// <summary>Group size of the 4-bit recipes unless another is asked for.</summary>
    public const int DefaultGroupSize = 128;

    private static readonly WeightFormat EightBits = new();
    private static readonly QuantRecipe W8A8 = new() { Weights = EightBits, Activations = new() };

    private static readonly Dictionary<string, Func<int, QuantRecipe>> All = new(StringComparer.Ordinal)
    {
        ["w8a8"] = _ => W8A8,
        ["w8a8-smooth"] = _ => W8A8 with { Smooth = new() },
        ["w8a8-smooth-piecewise"] = _ => W8A8 with { Smooth = new() { Search = SmoothSearch.Piecewise, SearchPieces = true } },
        ["w8a8-smooth-all"] = _ => W8A8 with { Smooth = new() { AllLinears = true } },
        ["w8a8-shift-smooth-all"] = _ => W8A8 with { Shift = new() { AllLinears = true }, Smooth = new() { AllLinears = true } },
        ["w8"] = _ => new() { Weights = EightBits },
        ["w4-rtn"] = size => new() { Weights = FourBits(size) },
        ["w4-gptq"] = size => new() { Weights = FourBits(size), Gptq = new() },
        ["w4-awq"] = size => new() { Weights = FourBits(size), Awq = new() },
        ["w4-smooth-gptq"] = size => new() { Weights = FourBits(size), Smooth = new(), Gptq = new() },
        ["kv8"] = _ => new() { KvCache = new() },
    };

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.Keys];

    /// <summary>The recipe of a name.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="groupSize">Inputs that share a scale in the 4-bit recipes, a multiple of 32.</param>
    /// <exception cref="InvalidInputException">There is none of this name; the message gives the nearest.</exception>
    public static QuantRecipe Get(string name, int groupSize = DefaultGroupSize)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!All.TryGetValue(name, out var recipe))
            throw new InvalidInputException($"There is no recipe '{name}'{(Nearest.To(name, Names) is { } near ? $"; did you mean '{near}'?" : "")} There are {string.Join(", ", Names)}, or the path of a recipe file.");
        return recipe(groupSize) with { Name = name };
    }

    private static WeightFormat FourBits(int groupSize) =>
        new() { Bits = 4, Per = Granularity.Group, GroupSize = groupSize, Symmetric = false };
}
