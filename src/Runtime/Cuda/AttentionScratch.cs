using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Cuda;

/// <summary>
/// What the attention kernel writes besides its result: partial sums, and counters that it leaves at zero. Kept between launches, of which those of one
/// device follow each other on its stream; each thread has its own, so that none grows while another launches.
/// </summary>
internal sealed class AttentionScratch
{
    [ThreadStatic]
    private static Dictionary<int, AttentionScratch>? _ofThread;

    private AttentionScratch(Device device, long parts, long counters)
    {
        using var noGrad = no_grad();
        Parts = empty([parts], ScalarType.Float32, device).DetachFromDisposeScope();
        Done = zeros([counters], ScalarType.Int32, device).DetachFromDisposeScope();
    }

    /// <summary>float32, at least as many as asked for.</summary>
    public Tensor Parts { get; }

    /// <summary>int32 zeros.</summary>
    public Tensor Done { get; }

    public static AttentionScratch For(Device device, long parts, long counters)
    {
        var all = _ofThread ??= [];
        if (!all.TryGetValue(device.index, out var scratch))
            all.Add(device.index, scratch = new AttentionScratch(device, parts, counters));
        else if (scratch.Parts.numel() < parts || scratch.Done.numel() < counters)
        {
            var (most, mostCounters) = (Math.Max(parts, 2 * scratch.Parts.numel()), Math.Max(counters, scratch.Done.numel()));
            scratch.Parts.Dispose();
            scratch.Done.Dispose();
            all[device.index] = scratch = new AttentionScratch(device, most, mostCounters);
        }

        return scratch;
    }
}
