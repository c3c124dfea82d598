using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Calibration;

/// <summary>Takes the real tokens out of a padded batch's values.</summary>
/// <param name="batch">The batch.</param>
internal sealed class RealTokens(TokenBatch batch) : IDisposable
{
    private Tensor? _places;

    /// <summary>The real tokens' values: [B, T, width] to [n, width]; the caller's.</summary>
    public Tensor Of(Tensor value)
    {
        using var flat = value.reshape(-1, value.shape[^1]);
        if (batch.Mask is null)
            return flat.alias();
        _places ??= Places(value.device);
        return flat.index_select(0, _places);
    }

    /// <summary>The real tokens' values row by row: one [n, width] for each sequence; the caller's.</summary>
    public IEnumerable<Tensor> BySequence(Tensor value)
    {
        for (var row = 0; row < batch.Rows; row++)
        {
            // Calibration rows are padded on the left only.
            var first = 0;
            while (!batch.IsReal(row, first))
                first++;
            using var sequence = value.select(0, row);
            yield return sequence.narrow(0, first, batch.Length - first);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _places?.Dispose();

    private Tensor Places(Device device) =>
        tensor([.. Enumerable.Range(0, batch.Ids.Count).Where(i => batch.Mask![i]).Select(i => (long)i)], device: device).DetachFromDisposeScope();
}
