using System.Text.Json;
using System.Text.Json.Serialization;

namespace Generated.Quant.Analysis;

/// <summary>What an analysis found; <c>analysis.json</c> of its folder.</summary>
public sealed record AnalysisReport
{
    /// <summary>Name of the file in the folder.</summary>
    public const string FileName = "analysis.json";

    /// <summary>The checkpoint folder's name.</summary>
    public required string Model { get; init; }

    /// <summary>Name of the recipe.</summary>
    public required string Recipe { get; init; }

    /// <summary>SHA-256 of the recipe's canonical form.</summary>
    public required string RecipeHash { get; init; }

    /// <summary>Calibration tokens.</summary>
    public long CalibrationTokens { get; init; }

    /// <summary>The metric.</summary>
    public AnalysisMetric Metric { get; init; }

    /// <summary>Tokens that the metric is taken on.</summary>
    public long MetricTokens { get; init; }

    /// <summary>The metric of the model in float32.</summary>
    public double MetricBefore { get; init; }

    /// <summary>The metric with every layer of the recipe quantized.</summary>
    public double MetricAfter { get; init; }

    /// <summary>The quantized layers, most sensitive first.</summary>
    public required IReadOnlyList<LayerAnalysis> Layers { get; init; }

    /// <summary>The search for a target; null where none was asked for.</summary>
    public SearchResult? Search { get; init; }

    /// <summary>What is worth knowing.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>As JSON, UTF-8.</summary>
    public byte[] ToJson() => [.. JsonSerializer.SerializeToUtf8Bytes(this, AnalysisJson.Default.AnalysisReport), (byte)'\n'];

    /// <summary>The same on one line, without its end.</summary>
    public byte[] ToJsonLine() => JsonSerializer.SerializeToUtf8Bytes(this, AnalysisJson.Line.AnalysisReport);
}

/// <summary>What was found of a layer.</summary>
/// <param name="Layer">The layer as recipes write it: <c>LlamaBlock.Mlp.Down@3</c>.</param>
/// <param name="Name">Its checkpoint name.</param>
public sealed record LayerAnalysis(string Layer, string Name)
{
    /// <summary>By how much its quantization makes the metric worse: alone where that was measured, else among the others.</summary>
    public double Harm { get; init; }

    /// <summary>The metric with this layer quantized and no other; null where it was not measured.</summary>
    public double? MetricAlone { get; init; }

    /// <summary>The metric with every layer quantized but this; null where it was not measured.</summary>
    public double? MetricWithout { get; init; }

    /// <summary>Mean squared error of its output on calibration tokens, its input exact.</summary>
    public double Mse { get; init; }

    /// <summary>Signal-to-noise ratio of its output, in decibels.</summary>
    public double Snr { get; init; }

    /// <summary>Cosine of its output with the exact one.</summary>
    public double Cosine { get; init; }
}

/// <summary>Serialization without reflection.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true, NewLine = "\n", PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, UseStringEnumConverter = true)]
[JsonSerializable(typeof(AnalysisReport))]
[JsonSerializable(typeof(Measurement))]
internal sealed partial class AnalysisJson : JsonSerializerContext
{
    /// <summary>The same on one line.</summary>
    public static AnalysisJson Line => field ??= new AnalysisJson(new JsonSerializerOptions(Default.Options!) { WriteIndented = false });
}
