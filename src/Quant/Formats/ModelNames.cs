using System.Globalization;
using Generated.Architectures;
using Generated.Layers;

namespace Generated.Quant.Formats;

/// <summary>A linear of a model with its name in checkpoints.</summary>
/// <param name="Slot">Its place.</param>
/// <param name="Pattern">Checkpoint name with <c>{i}</c> for a block's index.</param>
/// <param name="Name">Checkpoint name without <c>.weight</c>.</param>
internal sealed record NamedLinear(LinearSlot Slot, string Pattern, string Name)
{
    public Linear Linear => Slot.Linear;
}

/// <summary>Checkpoint names of what quantization touches.</summary>
internal static class ModelNames
{
    public const string Weight = ".weight";
    public const string Bias = ".bias";
    private const string Index = "{i}";

    /// <summary>Every linear, by name.</summary>
    public static IReadOnlyDictionary<string, NamedLinear> Linears(CausalModel model)
    {
        var patterns = model.Structure.Linears.ToDictionary(l => l.Path, l => l.Name, StringComparer.Ordinal);
        return model.Linears().Select(slot => new NamedLinear(slot, patterns[slot.Path], At(patterns[slot.Path], slot.Block)))
            .ToDictionary(l => l.Name, StringComparer.Ordinal);
    }

    /// <summary>Norms by name: those whose weights the model has.</summary>
    public static IReadOnlyDictionary<string, INorm> Norms(IEnumerable<WeightSlot> slots) =>
        slots.Where(s => s.Layer is INorm && s.Spec.Kind == TensorKind.Weight).ToDictionary(s => Stem(s.Name), s => (INorm)s.Layer, StringComparer.Ordinal);

    /// <summary>A pattern's name in a block.</summary>
    public static string At(string pattern, int block) => pattern.Replace(Index, block.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);

    /// <summary>A tensor's name without <c>.weight</c> or <c>.bias</c>.</summary>
    public static string Stem(string tensor) => tensor.EndsWith(Weight, StringComparison.Ordinal) ? tensor[..^Weight.Length]
        : tensor.EndsWith(Bias, StringComparison.Ordinal) ? tensor[..^Bias.Length] : tensor;

    /// <summary>Scales of the keys of an attention layer, by its place among the model's.</summary>
    public static string KeyScales(int attention) => string.Create(CultureInfo.InvariantCulture, $"kv_cache.{attention}.key_scales");

    /// <summary>Scales of the values of an attention layer, by its place among the model's.</summary>
    public static string ValueScales(int attention) => string.Create(CultureInfo.InvariantCulture, $"kv_cache.{attention}.value_scales");
}
