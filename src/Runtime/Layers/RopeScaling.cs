using Generated.Configuration;

namespace Generated.Layers;

/// <summary>How rotary frequencies are stretched for sequences longer than the trained ones.</summary>
public enum RopeScalingKind
{
    /// <summary>Positions are divided by the factor (Chen et al., 2023).</summary>
    Linear,

    /// <summary>The base grows with the sequence past the trained length ("NTK-aware", as Hugging Face's <c>dynamic</c>).</summary>
    Dynamic,

    /// <summary>Low frequencies are divided by the factor, high ones kept, those between interpolated (LLaMA 3.1).</summary>
    Llama3,

    /// <summary>The base grows by a power of two chosen once per sequence (Qwen).</summary>
    QwenNtk,
}

/// <summary>The <c>rope_scaling</c> of a config.</summary>
public sealed record RopeScaling
{
    private RopeScaling()
    {
    }

    /// <summary>The method.</summary>
    public required RopeScalingKind Kind { get; init; }

    /// <summary>By how much the trained length is stretched; 1 for <see cref="RopeScalingKind.QwenNtk"/>, which finds it.</summary>
    public required double Factor { get; init; }

    /// <summary>Length the model was trained for, in tokens; unused by <see cref="RopeScalingKind.Linear"/>.</summary>
    public int TrainedLength { get; init; }

    /// <summary>LLaMA 3: wavelengths above trained length / this are divided by the factor.</summary>
    public double LowFrequencyFactor { get; init; }

    /// <summary>LLaMA 3: wavelengths below trained length / this are kept.</summary>
    public double HighFrequencyFactor { get; init; }

    /// <summary>Whether frequencies depend on the length of the sequence.</summary>
    public bool DependsOnLength => Kind is RopeScalingKind.Dynamic or RopeScalingKind.QwenNtk;

    /// <summary>Positions divided by <paramref name="factor"/>.</summary>
    public static RopeScaling Linear(double factor) => new() { Kind = RopeScalingKind.Linear, Factor = factor };

    /// <summary>A base that grows past the trained length.</summary>
    public static RopeScaling Dynamic(double factor, int trainedLength) => new() { Kind = RopeScalingKind.Dynamic, Factor = factor, TrainedLength = trainedLength };

    /// <summary>LLaMA 3.1's scaling by parts.</summary>
    public static RopeScaling Llama3(double factor, double lowFrequencyFactor, double highFrequencyFactor, int trainedLength) => new()
    {
        Kind = RopeScalingKind.Llama3,
        Factor = factor,
        LowFrequencyFactor = lowFrequencyFactor,
        HighFrequencyFactor = highFrequencyFactor,
        TrainedLength = trainedLength,
    };

    /// <summary>Qwen's base, grown by a power of two.</summary>
    public static RopeScaling QwenNtk(int trainedLength) => new() { Kind = RopeScalingKind.QwenNtk, Factor = 1, TrainedLength = trainedLength };

    /// <summary>Reads the object under <paramref name="key"/>; null where it is absent or says that nothing is scaled.</summary>
    /// <exception cref="InvalidInputException">The method is unknown or a value is missing or impossible.</exception>
    public static RopeScaling? Read(ConfigReader reader, string key)
    {
        ArgumentNullException.ThrowIfNull(reader);
        if (reader.Object(key) is not { } scaling)
            return null;
        var kind = scaling.String("rope_type", "type");
        if (kind == "default")
            return null;
        var factor = scaling.Double("factor");
        scaling.Require(factor >= 1, "factor", "must be at least 1");
        switch (kind)
        {
            case "linear":
                return Linear(factor);
            case "dynamic":
                return Dynamic(factor, reader.Size("max_position_embeddings"));
            case "llama3":
                var low = scaling.Double("low_freq_factor");
                var high = scaling.Double("high_freq_factor");
                scaling.Require(low > 0, "low_freq_factor", "must be positive");
                scaling.Require(high > low, "high_freq_factor", "must be larger than low_freq_factor");
                return Llama3(factor, low, high, scaling.Size("original_max_position_embeddings"));
            default:
                throw scaling.Refuse(scaling.Has("rope_type") ? "rope_type" : "type", "is not supported; known are default, linear, dynamic and llama3");
        }
    }

    /// <summary>Writes it as the object under <paramref name="key"/>, in Hugging Face's names.</summary>
    public void Write(ConfigWriter writer, string key)
    {
        ArgumentNullException.ThrowIfNull(writer);
        var scaling = writer.Object(key);
        scaling.Set("rope_type", Kind switch
        {
            RopeScalingKind.Linear => "linear",
            RopeScalingKind.Dynamic => "dynamic",
            RopeScalingKind.Llama3 => "llama3",
            _ => throw new NotSupportedException("Qwen's NTK scaling follows from other keys of its config."),
        });
        scaling.Set("factor", Factor);
        if (Kind != RopeScalingKind.Llama3)
            return;
        scaling.Set("low_freq_factor", LowFrequencyFactor);
        scaling.Set("high_freq_factor", HighFrequencyFactor);
        scaling.Set("original_max_position_embeddings", TrainedLength);
    }
}
