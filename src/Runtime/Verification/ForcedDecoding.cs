using Generated.Architectures;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Verification;

/// <summary>
/// Prefill and decode steps that are fed recorded tokens, whatever the model would choose. Below float32 two nearly equal logits change
/// places and every token behind them differs, which says nothing; how far each recorded token is from the best one does.
/// </summary>
internal static class ForcedDecoding
{
    /// <summary>How much the logit of a recorded token falls short of the largest, at worst.</summary>
    /// <param name="model">The model.</param>
    /// <param name="prompt">Padded prompts.</param>
    /// <param name="inputs">Their positions and mask.</param>
    /// <param name="tokens">Recorded tokens, [rows, steps].</param>
    /// <param name="absolute">Allowed gap.</param>
    /// <param name="relative">Allowed gap as a share of the largest logit.</param>
    /// <returns>The largest gap, its largest share of the best logit, and whether all are allowed.</returns>
    public static (double Gap, double Share, bool IsOk) Compare(CausalModel model, TokenBatch prompt, SequenceInputs inputs, long[] tokens, double absolute, double relative)
    {
        using var noGrad = torch.no_grad();
        var (rows, steps) = (prompt.Rows, tokens.Length / prompt.Rows);
        using var cache = model.NewCache(rows, prompt.Length + steps);
        var (gap, share, isOk) = (0.0, 0.0, true);
        for (var step = 0; step < steps; step++)
        {
            using var scope = torch.NewDisposeScope();
            using var pass = new PassContext(inputs, cache);
            var logits = step == 0 ? model.Prefill(prompt.ToTensor(model.Device), pass) : model.Decode(Column(step - 1), pass);
            var scores = logits.to_type(ScalarType.Float64).squeeze(1);
            var best = scores.amax([-1]);
            var gaps = best - scores.gather(-1, Column(step)).squeeze(-1);
            gap = Math.Max(gap, gaps.max().item<double>());
            share = Math.Max(share, (gaps / best.abs()).max().item<double>());
            isOk &= (gaps.isfinite() & (gaps <= best.abs() * relative + absolute)).all().item<bool>();
            if (step + 1 < steps)
                inputs = model.Inputs.Continue(inputs);
        }

        return (gap, share, isOk);

        Tensor Column(int step) => tensor(Enumerable.Range(0, rows).Select(row => tokens[row * steps + step]).ToArray(), device: model.Device).view(rows, 1);
    }
}
