using Generated.Layers;
using static TorchSharp.torch;

namespace Generated.Passes;

/// <summary>Observes a full pass: calibration of quantization, verification. Values are the pass's; copy what must outlive the call.</summary>
public interface IProbe
{
    /// <summary>The input of the first block (0) or the output of block <paramref name="index"/> − 1, [B, T, hidden].</summary>
    void Hidden(int index, Tensor value);

    /// <summary>A value outside the blocks, such as <c>final_norm</c>.</summary>
    void Named(string name, Tensor value);

    /// <summary>The input of the linears that share it.</summary>
    /// <param name="block">Index of the block, −1 outside blocks.</param>
    /// <param name="site">Path of the first linear that reads it.</param>
    /// <param name="value">[B, T, width]; this rank's features where they are divided.</param>
    void LinearInput(int block, string site, Tensor value);

    /// <summary>Keys and values as an attention sees them and a cache would keep them, [B, kvHeads, T, headDim] each.</summary>
    void KeyValues(Attention attention, Tensor keys, Tensor values) { }
}
