using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Parallel;

/// <summary>The group of one rank: copies or nothing at all; loads no communication library.</summary>
/// <param name="device">Device of the tensors; the CPU if none is given.</param>
public sealed class SingleCollective(Device? device = null) : ICollective
{
    /// <inheritdoc/>
    public int Rank => 0;

    /// <inheritdoc/>
    public int Size => 1;

    /// <inheritdoc/>
    public Device Device { get; } = device ?? CPU;

    /// <inheritdoc/>
    public void AllReduce(Tensor tensor, Reduction reduction = Reduction.Sum) => Arguments.Contiguous(tensor, nameof(tensor));

    /// <inheritdoc/>
    public IWork AllReduceAsync(Tensor tensor, Reduction reduction = Reduction.Sum)
    {
        Arguments.Contiguous(tensor, nameof(tensor));
        return CompletedWork.Instance;
    }

    /// <inheritdoc/>
    public void AllGather(Tensor local, Tensor full)
    {
        Arguments.Gather(local, full, 1);
        Copy(local, full);
    }

    /// <inheritdoc/>
    public void ReduceScatter(Tensor full, Tensor local, Reduction reduction = Reduction.Sum)
    {
        Arguments.Gather(local, full, 1);
        Copy(full, local);
    }

    /// <inheritdoc/>
    public void AllToAll(Tensor send, Tensor receive)
    {
        Arguments.AllToAll(send, receive, 1);
        Copy(send, receive);
    }

    /// <inheritdoc/>
    public void Broadcast(Tensor tensor, int root)
    {
        Arguments.Contiguous(tensor, nameof(tensor));
        Arguments.Peer(root, 1, nameof(root));
    }

    /// <inheritdoc/>
    public void Send(Tensor tensor, int destination, int tag = 0) => throw NoPeer();

    /// <inheritdoc/>
    public void Receive(Tensor tensor, int source, int tag = 0) => throw NoPeer();

    /// <inheritdoc/>
    public IWork SendAsync(Tensor tensor, int destination, int tag = 0) => throw NoPeer();

    /// <inheritdoc/>
    public IWork ReceiveAsync(Tensor tensor, int source, int tag = 0) => throw NoPeer();

    /// <inheritdoc/>
    public void Batch(Action transfers) => transfers();

    /// <inheritdoc/>
    public byte[] BroadcastBytes(byte[]? bytes, int root) => bytes ?? throw new ArgumentNullException(nameof(bytes));

    /// <inheritdoc/>
    public byte[][] AllGatherBytes(byte[] bytes) => [bytes];

    /// <inheritdoc/>
    public void Barrier()
    {
    }

    /// <inheritdoc/>
    public ICollective Split(int color, int key) => new SingleCollective(Device);

    /// <inheritdoc/>
    public void Abort(int exitCode, string reason)
    {
        Console.Error.WriteLine(reason);
        Environment.Exit(exitCode);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private static void Copy(Tensor from, Tensor to)
    {
        using var _ = no_grad();
        to.copy_(from);
    }

    private static InvalidOperationException NoPeer() => new("A group of one rank has nobody to send to or receive from.");
}
