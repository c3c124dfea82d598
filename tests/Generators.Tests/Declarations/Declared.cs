namespace Generators.Tests.Declarations;

/// <summary>Declarations of published architectures, as a user writes them, read from embedded files.</summary>
internal static class Declared
{
    /// <summary>RMSNorm, separate q/k/v, grouped-query attention, SwiGLU in a part.</summary>
    public static string Llama => Read(nameof(Llama));

    /// <summary>Post-norm shortcut with a scaled residual, fused per-head qkv, 2D rotary, prefix mask.</summary>
    public static string ChatGlm => Read(nameof(ChatGlm));

    /// <summary>Embedding norm, ALiBi, fused per-head qkv, tied head, a wiring that the config switches.</summary>
    public static string Bloom => Read(nameof(Bloom));

    /// <summary>Parallel attention and MLP behind one norm, partial rotary.</summary>
    public static string GptJ => Read(nameof(GptJ));

    private static string Read(string name)
    {
        using var stream = typeof(Declared).Assembly.GetManifestResourceStream($"{name}.cs")
            ?? throw new InvalidOperationException($"No declaration {name}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
