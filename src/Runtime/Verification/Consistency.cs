using Generated.Architectures;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Verification;

/// <summary>Checks a model against itself: every generated pass has to give what its declaration gives, run operator by operator.</summary>
public static class Consistency
{
    /// <summary>
    /// Compares, with the eager run of the declaration, the full pass (<c>full</c>), the prefill of all tokens (<c>prefill</c>), and a prefill of
    /// the first half followed by a decode step per token (<c>decode</c>).
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="ids">Two or more tokens.</param>
    /// <param name="absolute">atol of |a − b| ≤ atol + rtol · |b|.</param>
    /// <param name="relative">rtol.</param>
    public static IReadOnlyList<Comparison> Check(CausalModel model, IReadOnlyList<int> ids, double absolute = 1e-4, double relative = 1e-3)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(ids);
        if (ids.Count < 2)
            throw new ArgumentException("Two or more tokens are needed.", nameof(ids));
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var batch = TokenBatch.LeftPadded([ids], 0);
        var tokens = batch.ToTensor(model.Device);
        var eager = Pass(model, batch, pass => model.Eager(tokens, pass));
        var full = Pass(model, batch, pass => model.Full(tokens, pass));
        using var cache = model.NewCache(1, ids.Count);
        using var context = new PassContext(model.Inputs.Prompt(batch), cache);
        var prefill = model.Prefill(tokens, context);
        var half = ids.Count / 2;
        return
        [
            TensorComparison.Compare("full", full, eager, absolute, relative),
            TensorComparison.Compare("prefill", prefill, eager.narrow(1, ids.Count - 1, 1), absolute, relative),
            TensorComparison.Compare("decode", Steps(model, ids, half), eager.narrow(1, half - 1, ids.Count - half + 1), absolute, relative),
        ];
    }

    private static Tensor Pass(CausalModel model, TokenBatch batch, Func<PassContext, Tensor> run)
    {
        using var pass = new PassContext(model.Inputs.Prompt(batch));
        return run(pass);
    }

    /// <summary>Logits of the last prompt token and of every token decoded after it, [1, n, vocabulary].</summary>
    private static Tensor Steps(CausalModel model, IReadOnlyList<int> ids, int prompt)
    {
        using var cache = model.NewCache(1, ids.Count);
        var first = TokenBatch.LeftPadded([[.. ids.Take(prompt)]], 0);
        var inputs = model.Inputs.Prompt(first);
        var logits = new List<Tensor>();
        using (var pass = new PassContext(inputs, cache))
            logits.Add(model.Prefill(first.ToTensor(model.Device), pass));
        foreach (var id in ids.Skip(prompt))
        {
            inputs = model.Inputs.Continue(inputs);
            using var pass = new PassContext(inputs, cache);
            logits.Add(model.Decode(tensor(new long[] { id }, device: model.Device).view(1, 1), pass));
        }

        return cat(logits, 1);
    }
}
