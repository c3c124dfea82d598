using Generated.Layers;

namespace Generated.Architectures;

/// <summary>A linear's place in a class: where quantized linears and adapters go.</summary>
/// <param name="path">Declared path with its class, for example <c>LlamaBlock.Mlp.Gate</c>.</param>
/// <param name="get">Reads the linear of an owner; null where its config left the layer out.</param>
/// <param name="set">Puts a linear into an owner.</param>
public sealed class LinearSite(string path, Func<object, Linear?> get, Action<object, Linear> set)
{
    /// <summary>Declared path with its class.</summary>
    public string Path { get; } = path;

    /// <summary>The linear of a block or model; null where its config left the layer out.</summary>
    public Linear? Get(object owner) => get(owner);

    /// <summary>Puts a linear there. The one before is not disposed of: it may live on inside the new one.</summary>
    public void Set(object owner, Linear linear) => set(owner, linear);
}

/// <summary>A linear's place in one model.</summary>
/// <param name="owner">The block or the model.</param>
/// <param name="site">The place in its class.</param>
/// <param name="block">Index of the block; −1 outside blocks.</param>
public sealed class LinearSlot(object owner, LinearSite site, int block)
{
    /// <summary>Declared path with its class.</summary>
    public string Path => site.Path;

    /// <summary>Index of the block; −1 outside blocks.</summary>
    public int Block { get; } = block;

    /// <summary>The linear that is there. Setting it does not dispose of the one before, which may live on inside the new one.</summary>
    public Linear Linear
    {
        get => site.Get(owner)!;
        set => site.Set(owner, value);
    }
}
