using TorchSharp;

namespace Generated.Cli;

/// <summary>Names of types on the command line.</summary>
internal static class DTypeNames
{
    private static readonly string[] Others = ["float8", "float4", "float64", "fp64", "double", "int", "uint", "complex", "bool"];

    /// <summary>Reads a name.</summary>
    /// <exception cref="InvalidInputException">It is not known, or the name of a type that no pass runs in.</exception>
    public static torch.ScalarType Parse(string name) => name.ToLowerInvariant() switch
    {
        "float32" or "fp32" or "f32" => torch.ScalarType.Float32,
        "bfloat16" or "bf16" => torch.ScalarType.BFloat16,
        "float16" or "fp16" or "f16" or "half" => torch.ScalarType.Float16,
        "int8" or "uint8" or "int4" or "nf4" => throw new InvalidInputException($"No pass runs in '{name}': use float32, bfloat16 or float16; generated quantize makes 8- and 4-bit weights."),
        var other when Others.Any(other.StartsWith) => throw new InvalidInputException($"No pass runs in '{name}': use float32, bfloat16 or float16."),
        _ => throw new InvalidInputException($"The type '{name}' is not known: use float32, bfloat16 or float16."),
    };

    /// <summary>The name of a type.</summary>
    public static string Name(torch.ScalarType type) => type.ToString().ToLowerInvariant();
}
