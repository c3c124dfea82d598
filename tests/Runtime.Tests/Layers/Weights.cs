using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Layers;
using static TorchSharp.torch;

namespace Runtime.Tests.Layers;

/// <summary>Fills models for tests.</summary>
internal static class Weights
{
    /// <summary>Whole random weights by name, equal for equal names and seeds.</summary>
    public static Dictionary<string, Tensor> Random(CausalModel model, int seed = 1)
    {
        var weights = new Dictionary<string, Tensor>();
        foreach (var slot in model.Weights().Where(w => !w.IsTied))
        {
            using var generator = new Generator((ulong)(seed * 1000 + weights.Count));
            var scale = slot.Shape.Count == 1 ? 0.2 : slot.Name.Contains("embed", StringComparison.Ordinal) ? 1 : 1.5 / Math.Sqrt(slot.Shape[^1]);
            var centre = slot.Layer is INorm && slot.Spec.Kind == TensorKind.Weight ? 1 : 0;
            using var values = randn([.. slot.Shape], generator: generator);
            weights.Add(slot.Name, values * scale + centre);
        }

        return weights;
    }

    /// <summary>Copies each rank's part of whole weights into a model.</summary>
    public static void Fill(CausalModel model, IReadOnlyDictionary<string, Tensor> weights)
    {
        using var _ = no_grad();
        foreach (var slot in model.Weights().Where(w => !w.IsTied))
        {
            foreach (var piece in slot.Pieces())
            {
                using var target = slot.View(piece);
                using var source = weights[slot.Name].narrow(Math.Max(slot.ShardAxis, 0), piece.Source.Start, piece.Source.Length);
                target.copy_(source);
            }
        }
    }

    /// <summary>Fills every weight with one small value, without making tensors.</summary>
    public static void Constant(CausalModel model)
    {
        using var _ = no_grad();
        foreach (var parameter in model.Parameters())
            parameter.Value.fill_(0.01);
    }

    public static TinyDecoder Model(TinyConfig config, BuildOptions? options = null, int seed = 1)
    {
        using var scope = NewDisposeScope();
        var model = TinyDecoder.Create(config, options);
        Fill(model, Random(model, seed));
        return model;
    }

    public static void Fill(CausalModel model, ITensorSource source)
    {
        using var _ = no_grad();
        foreach (var slot in model.Weights().Where(w => !w.IsTied))
            foreach (var piece in slot.Pieces())
            {
                using var target = slot.View(piece);
                source.LoadInto(slot.Name, target, slot.ShardAxis < 0 ? null : TensorSlice.Along(source.Info(slot.Name), slot.ShardAxis, piece.Source.Start, piece.Source.Length));
            }
    }

    public static void Close(Tensor expected, Tensor actual, string what, double absolute = 1e-4, double relative = 1e-4)
    {
        using var scope = NewDisposeScope();
        Assert.Equal(expected.shape, actual.shape);
        var (a, b) = (actual.detach().to(ScalarType.Float64), expected.detach().to(ScalarType.Float64));
        var excess = ((a - b).abs() - relative * b.abs()).max().item<double>();
        Assert.True(excess <= absolute, $"{what} differs by {excess:g3} beyond {relative:g1} relative");
    }
}
