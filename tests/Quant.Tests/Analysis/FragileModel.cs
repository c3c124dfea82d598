using Generated.Architectures;
using Generated.Layers;
using Generated.Loading;
using Quant.Tests.Formats;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Analysis;

/// <summary>
/// A recorded checkpoint with one layer that quantization ruins: one input channel of the down projection of a block is scaled up, and its
/// column down. The function stays; a scale per tensor for that layer's input, or per row for its weight, no longer holds the others.
/// </summary>
internal static class FragileModel
{
    public const int Block = 1;
    public const string Layer = "LlamaBlock.Mlp.Down@1";

    private const float Factor = 4096; // a power of two: nothing is rounded

    /// <summary>Writes the model's folder.</summary>
    public static string Write(string folder)
    {
        using var loaded = ModelLoader.Load(Folders.Fixture("llama"), new LoadOptions { Dtype = ScalarType.Float32 });
        using (no_grad())
        {
            Scale(loaded.Model, "LlamaBlock.Mlp.Up", 0, Factor);
            Scale(loaded.Model, "LlamaBlock.Mlp.Down", 1, 1 / Factor);
        }

        CheckpointSaver.Save(loaded.Model, loaded.Architecture, folder, source: Folders.Fixture("llama"));
        return folder;
    }

    /// <summary>Rows of token ids as a calibration file.</summary>
    public static string WriteTokens(string path, int rows = 10, int length = 24)
    {
        var random = new Random(7);
        File.WriteAllLines(path, Enumerable.Range(0, rows).Select(_ => $"{{\"ids\": [1, {string.Join(", ", Enumerable.Range(0, length - 1).Select(_ => random.Next(3, 320)))}]}}"));
        return path;
    }

    private static void Scale(CausalModel model, string path, int axis, float factor)
    {
        var weight = ((DenseLinear)model.Linear(path, Block).Linear).Weight;
        using var channel = weight.Value.narrow(axis, 5, 1);
        channel.mul_(factor);
        weight.Changed();
    }
}
