using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>
/// Cosines and sines of one kind of rotary embedding by position, float32 [positions, pairs], computed as the originals do
/// and kept for all layers and passes. It grows by doubling.
/// </summary>
internal sealed class RotaryTable(RotarySpec spec) : IDisposable
{
    private const int SmallestLength = 256;
    private const int MostStretches = 8;
    private readonly List<Table> _tables = [];

    public RotarySpec Spec => spec;

    /// <summary>Cosines and sines at the positions of a pass.</summary>
    public Rotation At(PassContext pass, Device device)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var stretch = Stretch(pass);
        var (cosines, sines) = spec.Positions switch
        {
            PositionKind.Sequence => Gather(pass.Positions(device), pass.MaxPosition, stretch, device),
            PositionKind.Block => Gather(pass.BlockPositions(device), pass.MaxBlockPosition, stretch, device),
            _ => Both(pass, stretch, device),
        };
        return new Rotation(spec, cosines.DetachFromDisposeScope(), sines.DetachFromDisposeScope());
    }

    /// <summary>The table that serves a pass, [positions, pairs] float32: for kernels that index it themselves.</summary>
    public (Tensor Cosines, Tensor Sines) Tables(PassContext pass, Device device)
    {
        var table = Find(Stretch(pass), Math.Max(pass.MaxPosition, pass.MaxBlockPosition), device);
        return (table.Cosines, table.Sines);
    }

    public void Dispose()
    {
        foreach (var table in _tables)
            table.Dispose();
        _tables.Clear();
    }

    /// <summary>Length that the frequencies are stretched to; 0 where they are not.</summary>
    private double Stretch(PassContext pass)
    {
        if (spec.Scaling is not { DependsOnLength: true } scaling)
            return 0;
        switch (scaling.Kind)
        {
            case RopeScalingKind.Dynamic:
                var length = pass.MaxPosition + 1;
                return length > scaling.TrainedLength ? length : 0;
            default:
                if (pass.Training)
                    return 0;
                // Cached keys were rotated with the prompt's frequencies, so following steps keep them.
                var ratio = pass.PromptLength / (double)scaling.TrainedLength;
                var alpha = ratio <= 1 ? 1 : Math.Pow(2, Math.Ceiling(Math.Log2(ratio) + 1)) - 1;
                return alpha > 1 ? alpha : 0;
        }
    }

    private (Tensor Cosines, Tensor Sines) Both(PassContext pass, double stretch, Device device)
    {
        var (sequenceCosines, sequenceSines) = Gather(pass.Positions(device), pass.MaxPosition, stretch, device);
        var (blockCosines, blockSines) = Gather(pass.BlockPositions(device), pass.MaxBlockPosition, stretch, device);
        return (cat([sequenceCosines, blockCosines], -1), cat([sequenceSines, blockSines], -1));
    }

    private (Tensor Cosines, Tensor Sines) Gather(Tensor positions, long highest, double stretch, Device device)
    {
        var table = Find(stretch, highest, device);
        var flat = positions.view(-1);
        long[] shape = [.. positions.shape, table.Cosines.shape[1]];
        return (table.Cosines.index_select(0, flat).view(shape), table.Sines.index_select(0, flat).view(shape));
    }

    private Table Find(double stretch, long highest, Device device)
    {
        var index = _tables.FindIndex(t => t.Stretch.Equals(stretch) && t.Device.Equals(device.ToString(), StringComparison.Ordinal));
        if (index >= 0 && _tables[index].Cosines.shape[0] > highest)
            return _tables[index];
        var length = SmallestLength;
        while (length <= highest)
            length *= 2;
        var made = Make(stretch, length, device);
        if (index >= 0)
        {
            _tables[index].Dispose();
            _tables[index] = made;
            return made;
        }

        if (_tables.Count == MostStretches) // a growing base gives a table per length: keep the latest only
        {
            _tables[0].Dispose();
            _tables.RemoveAt(0);
        }

        _tables.Add(made);
        return made;
    }

    private Table Make(double stretch, int length, Device device)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var positions = arange(length, dtype: ScalarType.Float32, device: CPU);
        var angles = outer(positions, RotaryFrequencies.Inverse(spec, stretch));
        return new Table(
            stretch, device.ToString(), angles.cos().to(device).DetachFromDisposeScope(), angles.sin().to(device).DetachFromDisposeScope());
    }

    private sealed record Table(double Stretch, string Device, Tensor Cosines, Tensor Sines) : IDisposable
    {
        public void Dispose()
        {
            Cosines.Dispose();
            Sines.Dispose();
        }
    }
}
