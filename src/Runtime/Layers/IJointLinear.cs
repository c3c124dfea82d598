using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>A linear that can multiply an input together with others.</summary>
internal interface IJointLinear
{
    /// <summary>One product in the place of several, or null where they do not go together.</summary>
    /// <param name="members">The linears of one input, this one first. The product uses their weights as long as they are not disposed of.</param>
    IJointProduct? Join(IReadOnlyList<Linear> members);
}

/// <summary>Several linears of one input as one product.</summary>
internal interface IJointProduct
{
    /// <summary>The results side by side, [.., sum of outputs], biases added, without gradients; the caller's.</summary>
    /// <param name="x">[.., in].</param>
    Tensor Multiply(Tensor x);
}
