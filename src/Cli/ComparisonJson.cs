using System.Text.Json;
using Generated.Verification;

namespace Generated.Cli;

/// <summary>A compared value as properties of a JSON object, alike in every command.</summary>
internal static class ComparisonJson
{
    /// <summary>Writes name, largest difference and whether it is small enough.</summary>
    /// <param name="json">Within an object.</param>
    /// <param name="result">The value.</param>
    /// <param name="relative">Whether the largest relative difference is of interest too.</param>
    public static void Write(Utf8JsonWriter json, Comparison result, bool relative = false)
    {
        json.WriteString("name", result.Name);
        WriteNumber(json, "max_abs", result.MaxAbsolute);
        if (relative)
            WriteNumber(json, "max_rel", result.MaxRelative);
        json.WriteBoolean("ok", result.IsOk);
    }

    /// <summary>JSON has no NaN: null.</summary>
    private static void WriteNumber(Utf8JsonWriter json, string name, double value)
    {
        if (double.IsFinite(value))
            json.WriteNumber(name, value);
        else
            json.WriteNull(name);
    }
}
