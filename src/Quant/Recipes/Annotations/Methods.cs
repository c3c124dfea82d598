namespace Generated.Quant.Recipes;

/// <summary>Moves each channel's offset out of the linears' inputs into norms and biases (Outlier Suppression+, Wei et al., 2023).</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class ShiftAttribute : Attribute
{
    /// <inheritdoc cref="ShiftOptions.AllLinears"/>
    public bool AllLinears { get; init; }

    /// <inheritdoc cref="ShiftOptions.Sampler"/>
    public ShiftSampler Sampler { get; init; } = ShiftSampler.Ema;
}

/// <summary>Moves each channel's scale from activations into weights and norms (SmoothQuant, Xiao et al., 2023).</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class SmoothAttribute : Attribute
{
    /// <inheritdoc cref="SmoothOptions.Alpha"/>
    public double Alpha { get; init; } = 0.5;

    /// <inheritdoc cref="SmoothOptions.AllLinears"/>
    public bool AllLinears { get; init; }

    /// <inheritdoc cref="SmoothOptions.Search"/>
    public SmoothSearch Search { get; init; }

    /// <inheritdoc cref="SmoothOptions.Pieces"/>
    public int Pieces { get; init; } = 3;

    /// <inheritdoc cref="SmoothOptions.SearchPieces"/>
    public bool SearchPieces { get; init; }

    /// <inheritdoc cref="SmoothOptions.AlphaMin"/>
    public double AlphaMin { get; init; } = 0.2;

    /// <inheritdoc cref="SmoothOptions.AlphaMax"/>
    public double AlphaMax { get; init; } = 0.8;

    /// <inheritdoc cref="SmoothOptions.AlphaStep"/>
    public double AlphaStep { get; init; } = 0.01;

    /// <inheritdoc cref="SmoothOptions.ScaleMin"/>
    public double ScaleMin { get; init; } = 1;

    /// <inheritdoc cref="SmoothOptions.ScaleMax"/>
    public double ScaleMax { get; init; } = 5;

    /// <inheritdoc cref="SmoothOptions.ScaleStep"/>
    public double ScaleStep { get; init; } = 0.5;
}

/// <summary>Scales weights by activation magnitude, found on a grid (AWQ, Lin et al., 2023). Excludes <see cref="SmoothAttribute"/>.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class AwqAttribute : Attribute
{
    /// <inheritdoc cref="AwqOptions.Grid"/>
    public int Grid { get; init; } = 20;

    /// <inheritdoc cref="AwqOptions.AllLinears"/>
    public bool AllLinears { get; init; }
}

/// <summary>Searches the largest weight of a group that is kept, by output error.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class AutoClipAttribute : Attribute
{
    /// <inheritdoc cref="AutoClipOptions.Grid"/>
    public int Grid { get; init; } = 20;

    /// <inheritdoc cref="AutoClipOptions.MaxShrink"/>
    public double MaxShrink { get; init; } = 0.5;

    /// <inheritdoc cref="AutoClipOptions.Tokens"/>
    public int Tokens { get; init; } = 512;
}

/// <summary>Rounds weights by second-order error (GPTQ, Frantar et al., 2022). Excludes <see cref="QatAttribute"/>.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class GptqAttribute : Attribute
{
    /// <inheritdoc cref="GptqOptions.Damping"/>
    public double Damping { get; init; } = 0.01;

    /// <inheritdoc cref="GptqOptions.ActOrder"/>
    public bool ActOrder { get; init; } = true;

    /// <inheritdoc cref="GptqOptions.BlockSize"/>
    public int BlockSize { get; init; } = 128;

    /// <inheritdoc cref="GptqOptions.StaticGroups"/>
    public bool StaticGroups { get; init; }
}

/// <summary>Trains with fake-quantized weights and activations. Excludes every method that takes statistics of the exact model, and <see cref="GptqAttribute"/>.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class QatAttribute : Attribute
{
    /// <inheritdoc cref="QatOptions.Weights"/>
    public QatWeights Weights { get; init; }

    /// <inheritdoc cref="QatOptions.Activations"/>
    public QatActivations Activations { get; init; }

    /// <inheritdoc cref="QatOptions.Steps"/>
    public int Steps { get; init; } = 200;

    /// <inheritdoc cref="QatOptions.LearningRate"/>
    public double LearningRate { get; init; } = 1e-5;
}
