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

    /// <summary>The first row alone, without padding: its input (the caller's) and its positions and mask.</summary>
    public (Tensor Input, SequenceInputs Inputs) FirstRow()
    {
        var batch = set.Batches[0];
        var length = set.Rows[0].Length;
        using var all = Read(0);
        using var row = all.narrow(0, 0, 1);
        return (row.narrow(1, batch.Length - length, length).contiguous(), scheme.Prompt(TokenBatch.LeftPadded([set.Rows[0]], 0)));
    }
}
