using Generated.Architectures;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Evaluation;

/// <summary>How well a model predicts a text.</summary>
/// <param name="Tokens">Number of scored tokens.</param>
/// <param name="MeanNll">Mean negative log-likelihood of a token, in nats.</param>
public sealed record PerplexityResult(long Tokens, double MeanNll)
{
    /// <summary>exp(<see cref="MeanNll"/>).</summary>
    public double Perplexity => Math.Exp(MeanNll);
}

/// <summary>Perplexity over windows of a text: every token but a window's BOS is scored, given those before it in the window.</summary>
public static class Perplexity
{
    /// <summary>Scores a text.</summary>
    /// <param name="model">The model; it computes in its own dtype, the likelihoods are taken in float32 and summed in float64.</param>
    /// <param name="windows">The text.</param>
    /// <param name="bos">The token in front of each window.</param>
    /// <param name="batch">Windows per pass.</param>
    /// <param name="progress">Told the share done.</param>
    /// <param name="cancellation">Stops between passes.</param>
    public static PerplexityResult Measure(
        CausalModel model, TextWindows windows, int bos, int batch = 4, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(windows);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        double sum = 0;
        long count = 0;
        for (var start = 0; start < windows.Count;)
        {
            cancellation.ThrowIfCancellationRequested();
            var rows = Take(windows, bos, start, batch);
            sum += Nll(model, rows);
            count += rows.Sum(row => row.Length - 1);
            start += rows.Count;
            progress?.Report((double)start / windows.Count);
        }

        return new PerplexityResult(count, sum / count);
    }

    /// <summary>Windows of one length from <paramref name="start"/> on; a shorter last one comes alone.</summary>
    private static List<int[]> Take(TextWindows windows, int bos, int start, int batch)
    {
        var rows = new List<int[]>();
        for (var i = start; i < Math.Min(windows.Count, start + batch); i++)
        {
            var row = windows.Window(i, bos);
            if (rows.Count > 0 && row.Length != rows[0].Length)
                break;
            rows.Add(row);
        }

        return rows;
    }

    private static double Nll(CausalModel model, List<int[]> rows)
    {
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var batch = model.Inputs.Pad(rows, 0);
        using var pass = new PassContext(model.Inputs.Prompt(batch));
        var ids = batch.ToTensor(model.Device);
        var sum = TokenLikelihood.Nll(model.Full(ids, pass), ids, batch);
        return double.IsNaN(sum) ? throw new GeneratedException("The model's logits hold NaN; the weights are damaged or the dtype's range is too small (try --dtype float32).") : sum;
    }
}
