using Generated.Loading;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Verification;

/// <summary>Replays one forward pass on two checkpoints of the same weights, one after the other, and compares every hidden state and the logits.</summary>
public static class ForwardComparison
{
    private const int Rows = 2;
    private const int MostTokens = 16;

    /// <summary>Compares; equal means equal in every bit.</summary>
    /// <param name="left">A checkpoint folder.</param>
    /// <param name="right">Another.</param>
    /// <param name="dtype">Type that both are computed in; null for the type of each one's weights.</param>
    /// <param name="cancellation">Stops while weights are loaded.</param>
    /// <param name="device">Where both are computed; null for the CPU.</param>
    /// <returns><c>hidden.0</c> to <c>hidden.N</c>, other hidden values, <c>logits</c>.</returns>
    /// <exception cref="InvalidInputException">A folder is no complete checkpoint.</exception>
    public static IReadOnlyList<Comparison> Run(string left, string right, ScalarType? dtype = null, CancellationToken cancellation = default, Device? device = null)
    {
        using var scope = torch.NewDisposeScope();
        var first = Record(left, dtype, device, cancellation);
        var second = Record(right, dtype, device, cancellation);
        return [.. first.Select(value => second.Find(other => other.Name == value.Name) is { Value: { } other }
            ? TensorComparison.Compare(value.Name, other, value.Value, 0, 0)
            : new Comparison(value.Name, double.NaN, double.NaN, false) { Note = $"{right} has no such value" })];
    }

    private static List<(string Name, Tensor Value)> Record(string folder, ScalarType? dtype, Device? device, CancellationToken cancellation)
    {
        using var noGrad = torch.no_grad();
        using var loaded = ModelLoader.Load(folder, new LoadOptions { Dtype = dtype, Device = device ?? CPU }, cancellation);
        var model = loaded.Model;
        string[] names = [.. Enumerable.Range(0, model.AllBlocks.Count + 1).Select(i => FormattableString.Invariant($"hidden.{i}")), "hidden.final_norm", "hidden.project_out"];
        var length = (int)Math.Min(MostTokens, loaded.ContextLength ?? MostTokens);
        using var recorder = new Recorder(names.ToHashSet(StringComparer.Ordinal));
        using var pass = new PassContext(Inputs(length)) { Probe = recorder };
        using var ids = Ids(loaded, length).to(loaded.Model.Device);
        using var logits = model.Full(ids, pass);
        return [.. names.Where(name => recorder[name] is not null).Select(name => (name, recorder[name]!.cpu().clone())), ("logits", logits.cpu())];
    }

    /// <summary>Tokens spread over the vocabulary.</summary>
    private static Tensor Ids(LoadedModel loaded, int length)
    {
        const long Stride = 7919; // a prime
        var vocabulary = loaded.Model.Vocabulary();
        return tensor([.. Enumerable.Range(0, Rows * length).Select(i => ((i + 1) * Stride) % vocabulary)]).view(Rows, length);
    }

    /// <summary>Causal; second positions, where a model has them, begin in the middle. No scheme is asked, since prompts of some need special tokens.</summary>
    private static SequenceInputs Inputs(int length)
    {
        var columns = Enumerable.Repeat(Enumerable.Range(0, length), Rows).SelectMany(row => row).ToArray();
        return new SequenceInputs(
            Rows, length, 0, [.. columns.Select(column => (long)column)], AttentionMask.Causal, [.. columns.Select(column => (long)Math.Max(0, column - (length / 2)))]);
    }
}
