using Generated.Quant.Calibration;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Analysis;

/// <summary>What the harm of quantization is measured by; less is better.</summary>
public enum AnalysisMetric
{
    /// <summary>Perplexity of held-out tokens.</summary>
    Perplexity,

    /// <summary>Mean squared error of the logits on held-out tokens.</summary>
    Mse,
}

/// <summary>How one layer at a time is set apart from the others.</summary>
public enum AnalysisDirection
{
    /// <summary>It alone is quantized.</summary>
    Quantize,

    /// <summary>It alone is not.</summary>
    Unquantize,

    /// <summary>Both, in twice the time.</summary>
    Both,
}

/// <summary>What is analyzed, how, and on which tokens.</summary>
public sealed record AnalysisOptions
{
    /// <summary>Checkpoint folder in any supported format, not quantized.</summary>
    public required string Source { get; init; }

    /// <summary>The recipe whose effect is analyzed.</summary>
    public required QuantRecipe Recipe { get; init; }

    /// <summary>File of text, JSONL or token ids: the rows that <see cref="Calibration"/> selects are calibrated on, those behind them are measured on.</summary>
    public required string TextFile { get; init; }

    /// <summary>Which rows are calibrated on.</summary>
    public CalibrationOptions Calibration { get; init; } = new();

    /// <summary>Most rows that the metric is taken on; of more, evenly spaced ones.</summary>
    public int MetricRows { get; init; } = 16;

    /// <summary>The metric.</summary>
    public AnalysisMetric Metric { get; init; }

    /// <summary>How layers are set apart.</summary>
    public AnalysisDirection Direction { get; init; }

    /// <summary>The metric that the quantized model has to reach, by leaving its most sensitive layers as they are; null for no search.</summary>
    public double? Target { get; init; }

    /// <summary>The folder of the report. Measurements that it holds of the same question are used again.</summary>
    public required string Folder { get; init; }

    /// <summary>Whether distributions and results are plotted.</summary>
    public bool Plots { get; init; }

    /// <summary>Where the model runs, in float32. All of it has to fit, exact and quantized.</summary>
    public Device Device { get; init; } = CPU;

    /// <summary>Told the share that is done.</summary>
    public IProgress<double>? Progress { get; init; }
}
