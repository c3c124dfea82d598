using Generated.Quant.Calibration;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>What is quantized, how, and on which tokens.</summary>
public sealed record QuantizeOptions
{
    /// <summary>Checkpoint folder in any supported format.</summary>
    public required string Source { get; init; }

    /// <summary>The folder to write; it appears whole or not at all.</summary>
    public required string Target { get; init; }

    /// <summary>The recipe.</summary>
    public required QuantRecipe Recipe { get; init; }

    /// <summary>Calibration file: text, JSONL or token ids; null only for a recipe that needs no calibration.</summary>
    public string? CalibrationFile { get; init; }

    /// <summary>Which of its tokens are used.</summary>
    public CalibrationOptions Calibration { get; init; } = new();

    /// <summary>File that perplexity is taken on, whole; null for what calibration leaves of its file.</summary>
    public string? EvaluationFile { get; init; }

    /// <summary>Most rows that perplexity is taken on; of more, evenly spaced ones. 0 for no perplexity.</summary>
    public int EvaluationRows { get; init; } = 64;

    /// <summary>
    /// Folder of statistics of the exact model on the calibration tokens, and of its perplexity on held-out ones: what another run has
    /// left there for the same model and tokens is used, and what is missing is taken and kept. The result is the same. Null for none.
    /// </summary>
    public string? StatisticsFolder { get; init; }

    /// <summary>Where units are loaded to; they compute in float32.</summary>
    public Device Device { get; init; } = CPU;

    /// <summary>Layout of other libraries that the result is written in, of <see cref="Formats.Exchange.QuantizedExport.Layouts"/>; null for the own format.</summary>
    public string? Layout { get; init; }

    /// <summary>
    /// For a recipe that trains: steps between two states that a run which was interrupted goes on from; 0 for none, and null to write one
    /// by time, so that it takes less than a twentieth of the training.
    /// </summary>
    public int? SaveEvery { get; init; }

    /// <summary>Whether a target that is there is replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Told the block (−1 outside blocks) of each pass of calibration tokens that begins, for tests.</summary>
    internal Action<int>? PassBegins { get; init; }

    /// <summary>Told what is worked on from now on, for people ("block 3 of 32"), before <see cref="Progress"/> is told the share.</summary>
    public IProgress<string>? Working { get; init; }

    /// <summary>Told the share that is done, unit by unit.</summary>
    public IProgress<double>? Progress { get; init; }
}
