using System.Text.Json;
using System.Text.Json.Serialization;

namespace Generated.Quant.Pipeline;

/// <summary>What a quantization did. The folder's <c>quantization_report.json</c> holds all of it but times, so that equal runs give equal bytes.</summary>
public sealed record QuantizationReport
{
    /// <summary>Name of the file in the quantized folder.</summary>
    public const string FileName = "quantization_report.json";

    /// <summary>Name of the recipe.</summary>
    public required string Recipe { get; init; }

    /// <summary>SHA-256 of the recipe's canonical form.</summary>
    public required string RecipeHash { get; init; }

    /// <summary>SHA-256 of the calibration tokens; null without calibration.</summary>
    public string? CalibrationHash { get; init; }

    /// <summary>Calibration tokens, padding left out.</summary>
    public long CalibrationTokens { get; init; }

    /// <summary>Tokens that perplexity was taken on; none of them was calibrated on.</summary>
    public long EvaluationTokens { get; init; }

    /// <summary>Perplexity of the model in float32; null without held-out tokens.</summary>
    public double? PerplexityBefore { get; init; }

    /// <summary>Perplexity of the quantized model, computed with its packed layers.</summary>
    public double? PerplexityAfter { get; init; }

    /// <summary>Bytes of the weight files before.</summary>
    public long FileBytesBefore { get; init; }

    /// <summary>Bytes of the weight files after.</summary>
    public long FileBytesAfter { get; init; }

    /// <summary>Bytes that the weights take in memory before, in the checkpoint's type.</summary>
    public long MemoryBytesBefore { get; init; }

    /// <summary>Bytes that the weights take in memory after, what is not quantized in the checkpoint's type.</summary>
    public long MemoryBytesAfter { get; init; }

    /// <summary>Every quantized linear.</summary>
    public required IReadOnlyList<LinearReport> Linears { get; init; }

    /// <summary>What the recipe's checks found.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>What the folder of statistics was good for, in a sentence; null where there is none.</summary>
    [JsonIgnore]
    public string? Statistics { get; init; }

    /// <summary>What an interrupted run of the same target was good for, in a sentence; null where there was none.</summary>
    [JsonIgnore]
    public string? Resumption { get; init; }

    /// <summary>Decoded tokens a second before, in float32, by the sum of the units' times; null where it could not be measured.</summary>
    [JsonIgnore]
    public double? TokensPerSecondBefore { get; init; }

    /// <summary>Decoded tokens a second after.</summary>
    [JsonIgnore]
    public double? TokensPerSecondAfter { get; init; }

    /// <summary>
    /// The most resident memory that the quantizing process has had, libraries, activations and the unit in work included; measured by
    /// the system, and null where that does not say. It is not what the result takes to run: that is <see cref="MemoryBytesAfter"/>
    /// and what a pass needs.
    /// </summary>
    [JsonIgnore]
    public long? PeakResidentBytes { get; init; }

    /// <summary>In what the result is worse than what it was made of, larger or slower, or not known to be no slower. An error where strictness is asked for.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> Warnings
    {
        get
        {
            var warnings = new List<string>();
            if (FileBytesAfter >= FileBytesBefore)
                warnings.Add($"The files are larger than before: {FileBytesAfter} bytes instead of {FileBytesBefore}.");
            if (MemoryBytesAfter >= MemoryBytesBefore)
                warnings.Add($"The weights take more memory than before: {MemoryBytesAfter} bytes instead of {MemoryBytesBefore}.");
            if (TokensPerSecondAfter < TokensPerSecondBefore)
                warnings.Add(FormattableString.Invariant($"Decoding is slower than before: {TokensPerSecondAfter:0.#} tokens/s instead of {TokensPerSecondBefore:0.#}."));
            if (TokensPerSecondBefore is null || TokensPerSecondAfter is null)
                warnings.Add("The speed was not measured: give --calibration or --evaluation a file with rows that the model takes.");
            return warnings;
        }
    }

    /// <summary>As JSON, UTF-8; times left out.</summary>
    public byte[] ToJson() => [.. JsonSerializer.SerializeToUtf8Bytes(this, PipelineJson.Default.QuantizationReport), (byte)'\n'];
}

/// <summary>What is kept of a finished block for the report of a run that is resumed.</summary>
internal sealed record UnitRecord(IReadOnlyList<LinearReport> Linears, UnitCost Cost)
{
    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, PipelineJson.Default.UnitRecord);

    /// <summary>Null where there is none that can be read.</summary>
    public static UnitRecord? Load(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), PipelineJson.Default.UnitRecord);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }
}

/// <summary>Serialization without reflection.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true, NewLine = "\n", PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(QuantizationReport))]
[JsonSerializable(typeof(UnitRecord))]
internal sealed partial class PipelineJson : JsonSerializerContext;
