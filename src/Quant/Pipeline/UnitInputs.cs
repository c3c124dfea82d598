using Generated.Passes;
using Generated.Quant.Calibration;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>What a unit runs on, batch by batch: token ids, or hidden states from a spool.</summary>
/// <param name="set">The calibration tokens.</param>
/// <param name="scheme">The model's input scheme.</param>
/// <param name="spool">Hidden states; null for token ids.</param>
/// <param name="device">Where the unit is.</param>
internal sealed class UnitInputs(CalibrationSet set, IInputScheme scheme, HiddenSpool? spool, Device device)
{
    /// <summary>Number of batches.</summary>
    public int Count => set.Batches.Count;

    /// <summary>The first row alone.</summary>
    public UnitPrompt Prompt => new(set.Rows[0], scheme, FirstRow);

    /// <summary>A batch.</summary>
    public TokenBatch Batch(int index) => set.Batches[index];

    /// <summary>A batch's input; the caller's.</summary>
    public Tensor Read(int index)
    {
        if (spool is null)
            return set.Batches[index].ToTensor(device);
        return spool.Read(index, device);
    }

    /// <summary>A pass over a batch.</summary>
    public PassContext Pass(int index, IProbe? probe = null) => new(scheme.Prompt(set.Batches[index])) { Probe = probe };

    /// <summary>A batch in parts of some rows, padded as the batch is: each with its input (the caller's) and its positions and mask.</summary>
    public IEnumerable<(TokenBatch Batch, Tensor Input, SequenceInputs Inputs)> Parts(int index, int mostRows)
    {
        var whole = set.Batches[index];
        if (whole.Rows <= mostRows)
        {
            yield return (whole, Read(index), scheme.Prompt(whole));
            yield break;
        }

        using var all = Read(index);
        for (var start = 0; start < whole.Rows; start += mostRows)
        {
            var rows = Math.Min(mostRows, whole.Rows - start);
            var (first, count) = (start * whole.Length, rows * whole.Length);
            var part = new TokenBatch(rows, whole.Length, [.. whole.Ids.Skip(first).Take(count)], whole.Mask is { } mask ? [.. mask.Skip(first).Take(count)] : null);
            yield return (part, all.narrow(0, start, rows), scheme.Prompt(part));
        }
    }

    private Tensor FirstRow()
    {
        using var all = Read(0);
        using var values = all.narrow(0, 0, 1);
        using var tokens = values.narrow(1, set.Batches[0].Length - set.Rows[0].Length, set.Rows[0].Length);
        return tokens.clone();
    }
}
