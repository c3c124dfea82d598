using TorchSharp;

namespace Generated.Cli;

/// <summary>Names of types on the command line.</summary>
internal static class DTypeNames
{
    /// <summary>Reads a name.</summary>
    /// <exception cref="InvalidInputException">It is not known.</exception>
    public static torch.ScalarType Parse(string name) => name.ToLowerInvariant() switch
    {
        "float32" or "fp32" or "f32" => torch.ScalarType.Float32,
        "bfloat16" or "bf16" => torch.ScalarType.BFloat16,
        "float16" or "fp16" or "f16" or "half" => torch.ScalarType.Float16,
        _ => throw new InvalidInputException($"The type '{name}' is not known: use float32, bfloat16 or float16."),
    };

    /// <summary>The name of a type.</summary>
    public static string Name(torch.ScalarType type) => type.ToString().ToLowerInvariant();
}
