using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>Attention written down: scores, mask element by element, softmax, weighted sum. What the fast paths are checked against.</summary>
internal static class AttentionOracle
{
    public static Tensor Attend(Attention layer, MaskKind kind, Tensor q, Tensor k, Tensor v, PassContext pass)
    {
        var group = layer.Heads / layer.KvHeads;
        var queries = q.view(pass.Rows, pass.Length, layer.Heads, layer.HeadDim).transpose(1, 2);
        var keys = k.view(pass.Rows, pass.Length, layer.KvHeads, layer.HeadDim).transpose(1, 2).repeat_interleave(group, 1);
        var values = v.view(pass.Rows, pass.Length, layer.KvHeads, layer.HeadDim).transpose(1, 2).repeat_interleave(group, 1);
        var scores = queries.matmul(keys.transpose(2, 3)) * layer.Scale;
        scores = (scores + Bias(layer, kind, pass).to(q.dtype).to(q.device)).to(ScalarType.Float32);
        return scores.softmax(-1).to(q.dtype).matmul(values).transpose(1, 2).reshape(q.shape);
    }

    private static Tensor Bias(Attention layer, MaskKind kind, PassContext pass)
    {
        var bias = new float[pass.Rows, layer.Heads, pass.Length, pass.Length];
        for (var row = 0; row < pass.Rows; row++)
            for (var head = 0; head < layer.Heads; head++)
                for (var query = 0; query < pass.Length; query++)
                    for (var key = 0; key < pass.Length; key++)
                        bias[row, head, query, key] = !pass.Inputs.Mask.Sees(row, query, key, kind.Prefix, kind.Window)
                            ? float.NegativeInfinity
                            : layer.HasAlibi ? layer.Slopes[head] * (key - query) : 0;
        return tensor(bias);
    }
}
