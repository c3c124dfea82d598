using static TorchSharp.torch;

namespace Generated.Parallel;

/// <summary>
/// The first rank of a group that does not exist: a model built in it, without memory, shows what each rank would hold.
/// Exchanges throw.
/// </summary>
/// <param name="size">Number of ranks.</param>
public sealed class ShapeGroup(int size) : ICollective
{
    /// <inheritdoc/>
    public int Rank => 0;

    /// <inheritdoc/>
    public int Size => size;

    /// <inheritdoc/>
    public Device Device => META;

    /// <inheritdoc/>
    public void AllReduce(Tensor tensor, Reduction reduction = Reduction.Sum) => throw Only();

    /// <inheritdoc/>
    public IWork AllReduceAsync(Tensor tensor, Reduction reduction = Reduction.Sum) => throw Only();

    /// <inheritdoc/>
    public void AllGather(Tensor local, Tensor full) => throw Only();

    /// <inheritdoc/>
    public void ReduceScatter(Tensor full, Tensor local, Reduction reduction = Reduction.Sum) => throw Only();

    /// <inheritdoc/>
    public void AllToAll(Tensor send, Tensor receive) => throw Only();

    /// <inheritdoc/>
    public void Broadcast(Tensor tensor, int root) => throw Only();

    /// <inheritdoc/>
    public void Send(Tensor tensor, int destination, int tag = 0) => throw Only();

    /// <inheritdoc/>
    public void Receive(Tensor tensor, int source, int tag = 0) => throw Only();

    /// <inheritdoc/>
    public IWork SendAsync(Tensor tensor, int destination, int tag = 0) => throw Only();

    /// <inheritdoc/>
    public IWork ReceiveAsync(Tensor tensor, int source, int tag = 0) => throw Only();

    /// <inheritdoc/>
    public void Batch(Action transfers) => throw Only();

    /// <inheritdoc/>
    public byte[] BroadcastBytes(byte[]? bytes, int root) => throw Only();

    /// <inheritdoc/>
    public byte[][] AllGatherBytes(byte[] bytes) => throw Only();

    /// <inheritdoc/>
    public void Barrier() => throw Only();

    /// <inheritdoc/>
    public ICollective Split(int color, int key) => new ShapeGroup(size);

    /// <inheritdoc/>
    public void Abort(int exitCode, string reason) => throw Only();

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private static InvalidOperationException Only() => new("This group has shapes only.");
}
