namespace Generated.Generators.Printing;

/// <summary>Full names of the runtime types that emitted code uses.</summary>
internal static class Names
{
    public const string Tensor = "global::TorchSharp.torch.Tensor";
    public const string Flow = "global::Generated.Flow";
    public const string Flow2 = "global::Generated.Flow2";
    public const string Flow3 = "global::Generated.Flow3";
    public const string Tokens = "global::Generated.Tokens";
    public const string Pass = "global::Generated.Passes.PassContext";
    public const string List = "global::System.Collections.Generic.IReadOnlyList";

    public static string Layers(string type) => $"global::Generated.Layers.{type}";

    public static string Architectures(string type) => $"global::Generated.Architectures.{type}";

    public static string Configuration(string type) => $"global::Generated.Configuration.{type}";
}
