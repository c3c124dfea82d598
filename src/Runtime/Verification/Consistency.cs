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
    /// <param name="ids">Two or more tokens; of a prefix decoder, one or more behind the prefix and its start token.</param>
    /// <param name="absolute">atol of |a − b| ≤ atol + rtol · |b|.</param>
    /// <param name="relative">rtol.</param>
    public static IReadOnlyList<Comparison> Check(CausalModel model, IReadOnlyList<int> ids, double absolute = 1e-4, double relative = 1e-3)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(ids);
        return Check(model, [ids], Math.Max(ids.Count / 2, LeastPrompt(model.Inputs.Prompt(model.Inputs.Pad([ids], 0)))), absolute, relative);
    }

    /// <summary>The same for a batch of rows of different lengths, padded where the architecture takes it; padding is not compared.</summary>
    /// <param name="model">The model.</param>
    /// <param name="rows">The tokens of each row.</param>
    /// <param name="prompt">Columns of the padded batch that are the prompt; the others are decoded one by one. It holds every row's padding and prefix.</param>
    /// <param name="absolute">atol of |a − b| ≤ atol + rtol · |b|.</param>
    /// <param name="relative">rtol.</param>
    public static IReadOnlyList<Comparison> Check(CausalModel model, IReadOnlyList<IReadOnlyList<int>> rows, int prompt, double absolute = 1e-4, double relative = 1e-3)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(rows);
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var batch = model.Inputs.Pad(rows, 0);
        if (prompt < LeastPrompt(model.Inputs.Prompt(batch)) || prompt >= batch.Length || HasPadding(batch, prompt - 1))
            throw new ArgumentException("The prompt has to hold the padding of every row, its prefix and a token behind them, and leave one to decode.", nameof(prompt));
        var tokens = batch.ToTensor(model.Device);
        var isReal = tensor([.. Enumerable.Range(0, batch.Rows * batch.Length).Select(i => batch.IsReal(i / batch.Length, i % batch.Length))]).view(batch.Rows, batch.Length, 1);
        var eager = Real(Pass(model, batch, pass => model.Eager(tokens, pass)));
        var full = Real(Pass(model, batch, pass => model.Full(tokens, pass)));
        using var cache = model.NewCache(batch.Rows, batch.Length);
        using var context = new PassContext(model.Inputs.Prompt(batch), cache);
        var prefill = model.Prefill(tokens, context);
        var decoded = Steps(model, batch, tokens, prompt);
        return
        [
            TensorComparison.Compare("full", full, eager, absolute, relative),
            TensorComparison.Compare("prefill", prefill, eager.narrow(1, batch.Length - 1, 1), absolute, relative),
            TensorComparison.Compare("decode", decoded, eager.narrow(1, prompt - 1, batch.Length - prompt + 1), absolute, relative),
        ];

        Tensor Real(Tensor logits) => logits.cpu().masked_fill(isReal.logical_not(), 0);
    }

    /// <summary>A prefix sees itself in both directions, so it and the token that ends it cannot be decoded one by one.</summary>
    private static int LeastPrompt(SequenceInputs inputs) => 1 + (inputs.Mask.PrefixEnds?.Max() ?? 0);

    private static bool HasPadding(TokenBatch batch, int from) =>
        Enumerable.Range(0, batch.Rows).Any(row => Enumerable.Range(from, batch.Length - from).Any(column => !batch.IsReal(row, column)));

    private static Tensor Pass(CausalModel model, TokenBatch batch, Func<PassContext, Tensor> run)
    {
        using var pass = new PassContext(model.Inputs.Prompt(batch));
        return run(pass);
    }

    /// <summary>Logits of the last prompt column and of every column decoded after it, [rows, n, vocabulary].</summary>
    private static Tensor Steps(CausalModel model, TokenBatch batch, Tensor tokens, int prompt)
    {
        using var cache = model.NewCache(batch.Rows, batch.Length);
        var cells = (from row in Enumerable.Range(0, batch.Rows) from column in Enumerable.Range(0, prompt) select (row, column)).ToArray();
        var inputs = model.Inputs.Prompt(new TokenBatch(
            batch.Rows, prompt, [.. cells.Select(cell => batch[cell.row, cell.column])], [.. cells.Select(cell => batch.IsReal(cell.row, cell.column))]));
        var logits = new List<Tensor>();
        using (var pass = new PassContext(inputs, cache))
            logits.Add(model.Prefill(tokens.narrow(1, 0, prompt), pass));
        for (var column = prompt; column < batch.Length; column++)
        {
            inputs = model.Inputs.Continue(inputs);
            using var pass = new PassContext(inputs, cache);
            logits.Add(model.Decode(tokens.narrow(1, column, 1), pass));
        }

        return cat(logits, 1);
    }
}
