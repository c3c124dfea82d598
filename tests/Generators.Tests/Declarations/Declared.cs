namespace Generators.Tests.Declarations;

/// <summary>Declarations of published architectures, as a user writes them, read from embedded files.</summary>
internal static class Declared
{
    public static string Llama => Read("Llama");

    private static string Read(string name)
    {
        using var stream = typeof(Declared).Assembly.GetManifestResourceStream($"{name}.cs")
            ?? throw new InvalidOperationException($"No declaration {name}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
