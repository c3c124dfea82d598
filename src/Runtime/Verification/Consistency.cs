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
        ArgumentNullException.ThrowIfNull(ids);
        return Check(model, [ids], Math.Max(1, ids.Count / 2), absolute, relative);
    }

    /// <summary>The same for a batch of rows of different lengths, padded on the left; padding is not compared.</summary>
    /// <param name="model">The model.</param>
    /// <param name="rows">The tokens of each row.</param>
    /// <param name="prompt">Columns of the padded batch that are the prompt; the others are decoded one by one. Every row begins in it.</param>
    /// <param name="absolute">atol of |a − b| ≤ atol + rtol · |b|.</param>
    /// <param name="relative">rtol.</param>
    public static IReadOnlyList<Comparison> Check(CausalModel model, IReadOnlyList<IReadOnlyList<int>> rows, int prompt, double absolute = 1e-4, double relative = 1e-3)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(rows);
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var batch = TokenBatch.LeftPadded(rows, 0);
        if (prompt < 1 || prompt >= batch.Length || rows.Any(row => batch.Length - row.Count >= prompt))
            throw new ArgumentException("The prompt has to hold at least one token of every row and leave one to decode.", nameof(prompt));
        var tokens = batch.ToTensor(model.Device);
        var isReal = tensor([.. Enumerable.Range(0, batch.Rows * batch.Length).Select(i => batch.IsReal(i / batch.Length, i % batch.Length))]).view(batch.Rows, batch.Length, 1);
        var eager = Real(Pass(model, batch, pass => model.Eager(tokens, pass)));
        var full = Real(Pass(model, batch, pass => model.Full(tokens, pass)));
        using var cache = model.NewCache(batch.Rows, batch.Length);
        using var context = new PassContext(model.Inputs.Prompt(batch), cache);
        var prefill = model.Prefill(tokens, context);
        var decoded = Steps(model, rows, tokens, prompt);
        return
        [
            TensorComparison.Compare("full", full, eager, absolute, relative),
            TensorComparison.Compare("prefill", prefill, eager.narrow(1, batch.Length - 1, 1), absolute, relative),
            TensorComparison.Compare("decode", decoded, eager.narrow(1, prompt - 1, batch.Length - prompt + 1), absolute, relative),
        ];

        Tensor Real(Tensor logits) => logits.cpu().masked_fill(isReal.logical_not(), 0);
    }

    private static Tensor Pass(CausalModel model, TokenBatch batch, Func<PassContext, Tensor> run)
    {
        using var pass = new PassContext(model.Inputs.Prompt(batch));
        return run(pass);
    }

    /// <summary>Logits of the last prompt column and of every column decoded after it, [rows, n, vocabulary].</summary>
    private static Tensor Steps(CausalModel model, IReadOnlyList<IReadOnlyList<int>> rows, Tensor tokens, int prompt)
    {
        var length = (int)tokens.shape[1];
        using var cache = model.NewCache(rows.Count, length);
        var first = TokenBatch.LeftPadded([.. rows.Select(row => row.Take(row.Count - (length - prompt)).ToArray())], 0);
        var inputs = model.Inputs.Prompt(first);
        var logits = new List<Tensor>();
        using (var pass = new PassContext(inputs, cache))
            logits.Add(model.Prefill(tokens.narrow(1, 0, prompt), pass));
        for (var column = prompt; column < length; column++)
        {
            inputs = model.Inputs.Continue(inputs);
            using var pass = new PassContext(inputs, cache);
            logits.Add(model.Decode(tokens.narrow(1, column, 1), pass));
        }

        return cat(logits, 1);
    }
}
