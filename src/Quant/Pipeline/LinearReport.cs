using Generated.Quant.Analysis;
using Generated.Quant.Methods;

namespace Generated.Quant.Pipeline;

/// <summary>What became of one linear.</summary>
/// <param name="Path">Declared path.</param>
/// <param name="Name">Checkpoint name.</param>
/// <param name="Block">Index of its block; −1 outside blocks.</param>
public sealed record LinearReport(string Path, string Name, int Block)
{
    /// <summary>How its weight was rounded: <c>nearest</c> or <c>gptq</c>.</summary>
    public required string Method { get; init; }

    /// <summary>What was moved out of its input, and where to: <c>smooth into LlamaBlock.AttnNorm</c>; empty for nothing.</summary>
    public string Transform { get; init; } = "";

    /// <summary>Mean squared error of its output on sampled calibration tokens.</summary>
    public double Mse { get; init; }

    /// <summary>Signal-to-noise ratio of its output, in decibels.</summary>
    public double Snr { get; init; }

    /// <summary>Cosine of its output with the exact one.</summary>
    public double Cosine { get; init; }

    /// <summary>Static scale of its input, or null.</summary>
    public float? InputScale { get; init; }

    /// <summary>Share of the mean diagonal that was added to GPTQ's Hessian; null for other methods.</summary>
    public double? Damping { get; init; }

    /// <summary>How often that share had to be raised.</summary>
    public int Escalations { get; init; }

    /// <summary>Inputs that were zero on every calibration token.</summary>
    public int DeadColumns { get; init; }

    internal LinearReport With(ErrorMeasure error) => this with { Mse = error.Mse, Snr = error.SnrDecibels, Cosine = error.Cosine };

    internal LinearReport With(GptqResult gptq) => this with { Method = "gptq", Damping = gptq.Damping, Escalations = gptq.Escalations, DeadColumns = gptq.DeadColumns };
}
