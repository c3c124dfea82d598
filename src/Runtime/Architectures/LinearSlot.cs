using Generated.Layers;

namespace Generated.Architectures;

/// <summary>A linear's place in a model: quantization and adapters read it and put another linear there.</summary>
/// <param name="path">Path of declared members, for example <c>LlamaBlock.Mlp.Gate</c>.</param>
/// <param name="block">Index of the block; −1 outside blocks.</param>
/// <param name="names">Checkpoint names.</param>
/// <param name="get">Reads the linear.</param>
/// <param name="set">Puts a linear there.</param>
public sealed class LinearSlot(string path, int block, LayerNames names, Func<Linear> get, Action<Linear> set)
{
    /// <summary>Path of declared members, for example <c>LlamaBlock.Mlp.Gate</c>.</summary>
    public string Path { get; } = path;

    /// <summary>Index of the block; −1 outside blocks.</summary>
    public int Block { get; } = block;

    /// <summary>Checkpoint names.</summary>
    public LayerNames Names { get; } = names;

    /// <summary>Checkpoint name without <c>.weight</c>.</summary>
    public string Name => Names.HuggingFace;

    /// <summary>The linear that is there. Setting it does not dispose of the one before, which may live on inside the new one.</summary>
    public Linear Linear
    {
        get => get();
        set => set(value);
    }
}

/// <summary>A norm's place in a model.</summary>
/// <param name="path">Path of declared members, for example <c>LlamaBlock.AttnNorm</c>.</param>
/// <param name="block">Index of the block; −1 outside blocks.</param>
/// <param name="names">Checkpoint names.</param>
/// <param name="norm">The norm.</param>
public sealed class NormSlot(string path, int block, LayerNames names, INorm norm)
{
    /// <summary>Path of declared members.</summary>
    public string Path { get; } = path;

    /// <summary>Index of the block; −1 outside blocks.</summary>
    public int Block { get; } = block;

    /// <summary>Checkpoint names.</summary>
    public LayerNames Names { get; } = names;

    /// <summary>The norm.</summary>
    public INorm Norm { get; } = norm;
}
