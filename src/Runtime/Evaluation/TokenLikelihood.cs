using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Evaluation;

/// <summary>Scores tokens by a model's logits; every perplexity is taken with it.</summary>
internal static class TokenLikelihood
{
    /// <summary>
    /// The sum of the negative log-likelihoods of a batch's tokens, in nats: taken in float32, summed in float64, a row at a time, since
    /// likelihoods are as large as the logits. NaN where the logits are.
    /// </summary>
    /// <param name="logits">[rows, length, vocabulary]; the caller's.</param>
    /// <param name="ids">[rows, length], int64; the caller's.</param>
    /// <param name="batch">The batch, padded on the left.</param>
    public static double Nll(Tensor logits, Tensor ids, TokenBatch batch)
    {
        double sum = 0;
        for (var row = 0; row < batch.Rows; row++)
        {
            using var scope = NewDisposeScope();
            var first = FirstReal(batch, row);
            var count = batch.Length - first - 1;
            if (count == 0)
                continue;
            var scores = logits.select(0, row).narrow(0, first, count).to_type(ScalarType.Float32).log_softmax(-1);
            var likelihoods = scores.gather(-1, ids.select(0, row).narrow(0, first + 1, count).unsqueeze(-1));
            sum -= likelihoods.to_type(ScalarType.Float64).sum().item<double>();
        }

        return sum;
    }

    private static int FirstReal(TokenBatch batch, int row) => Enumerable.Range(0, batch.Length).First(column => batch.IsReal(row, column));
}
