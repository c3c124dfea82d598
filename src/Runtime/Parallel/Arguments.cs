using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Parallel;

/// <summary>What every implementation demands of its arguments.</summary>
internal static class Arguments
{
    internal static void Contiguous(Tensor tensor, string name)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (!tensor.is_contiguous())
            throw new ArgumentException($"A collective needs a contiguous tensor, but {Describe(tensor)} is not; pass contiguous().", name);
    }

    internal static void Gather(Tensor local, Tensor full, int size, string parameter = "full")
    {
        Contiguous(local, nameof(local));
        Contiguous(full, nameof(full));
        if (full.dtype != local.dtype || full.dim() != local.dim() || full.dim() == 0 || full.shape[0] != size * local.shape[0] || !full.shape.AsSpan(1).SequenceEqual(local.shape.AsSpan(1)))
            throw new ArgumentException($"The whole of {size} parts {Describe(local)} cannot be {Describe(full)}.", parameter);
    }

    internal static void AllToAll(Tensor send, Tensor receive, int size)
    {
        Contiguous(send, nameof(send));
        Contiguous(receive, nameof(receive));
        if (send.dtype != receive.dtype || send.dim() == 0 || send.shape[0] % size != 0 || !send.shape.AsSpan().SequenceEqual(receive.shape))
            throw new ArgumentException($"All-to-all over {size} ranks needs equal shapes whose first dimension is divisible by {size}; given {Describe(send)} and {Describe(receive)}.", nameof(receive));
    }

    internal static void Peer(int rank, int size, string name)
    {
        if ((uint)rank >= (uint)size)
            throw new ArgumentOutOfRangeException(name, rank, $"The group has ranks 0 to {size - 1}.");
    }

    internal static string Describe(Tensor tensor) => $"{tensor.dtype}[{string.Join(", ", tensor.shape)}]";
}

/// <summary>A transfer that was over when it was started.</summary>
internal sealed class CompletedWork : IWork
{
    internal static readonly CompletedWork Instance = new();

    public bool IsCompleted => true;

    public void Wait()
    {
    }
}
