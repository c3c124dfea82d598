using TorchSharp;

namespace Generated.Parallel;

/// <summary>How values of several ranks are combined.</summary>
public enum Reduction
{
    /// <summary>Sum over ranks.</summary>
    Sum,

    /// <summary>Maximum over ranks.</summary>
    Max,

    /// <summary>Mean over ranks.</summary>
    Average,
}

/// <summary>A transfer under way. Its tensor may be neither read nor written, and stays alive, until <see cref="Wait"/> returns.</summary>
public interface IWork
{
    /// <summary>Whether <see cref="Wait"/> would return at once.</summary>
    bool IsCompleted { get; }

    /// <summary>Waits for the end of the transfer; further calls do nothing.</summary>
    void Wait();
}

/// <summary>
/// Communication within one group of ranks. Every rank of the group makes the same calls in the same order, from one
/// thread at a time. Tensors are contiguous; a tensor that is not is refused with an <see cref="ArgumentException"/>.
/// Collectives know nothing of autograd: <see cref="CollectiveOps"/> has the differentiable ones.
/// </summary>
public interface ICollective : IDisposable
{
    /// <summary>This rank's index in the group, from 0.</summary>
    int Rank { get; }

    /// <summary>Number of ranks in the group.</summary>
    int Size { get; }

    /// <summary>The device on which tensors are exchanged without a detour; others may be staged or refused.</summary>
    torch.Device Device { get; }

    /// <summary>Combines <paramref name="tensor"/> over all ranks, in place.</summary>
    void AllReduce(torch.Tensor tensor, Reduction reduction = Reduction.Sum);

    /// <summary>Starts <see cref="AllReduce"/>; the result is in the tensor after <see cref="IWork.Wait"/>.</summary>
    IWork AllReduceAsync(torch.Tensor tensor, Reduction reduction = Reduction.Sum);

    /// <summary>Concatenates every rank's <paramref name="local"/> along the first dimension into <paramref name="full"/>.</summary>
    void AllGather(torch.Tensor local, torch.Tensor full);

    /// <summary>Combines <paramref name="full"/> over all ranks and leaves this rank's part of the first dimension in <paramref name="local"/>.</summary>
    void ReduceScatter(torch.Tensor full, torch.Tensor local, Reduction reduction = Reduction.Sum);

    /// <summary>Cuts <paramref name="send"/> along the first dimension into one part per rank and receives one part of each, in rank order.</summary>
    void AllToAll(torch.Tensor send, torch.Tensor receive);

    /// <summary>Copies <paramref name="tensor"/> of rank <paramref name="root"/> to all ranks.</summary>
    void Broadcast(torch.Tensor tensor, int root);

    /// <summary>Sends to another rank of the group; blocks until the buffer may be reused.</summary>
    void Send(torch.Tensor tensor, int destination, int tag = 0);

    /// <summary>Receives from another rank of the group.</summary>
    void Receive(torch.Tensor tensor, int source, int tag = 0);

    /// <summary>Starts <see cref="Send"/>.</summary>
    IWork SendAsync(torch.Tensor tensor, int destination, int tag = 0);

    /// <summary>Starts <see cref="Receive"/>.</summary>
    IWork ReceiveAsync(torch.Tensor tensor, int source, int tag = 0);

    /// <summary>Runs several sends and receives that belong together, so that NCCL can pair them; elsewhere it only runs them.</summary>
    void Batch(Action transfers);

    /// <summary>Copies bytes of rank <paramref name="root"/> to all ranks; the others pass null.</summary>
    byte[] BroadcastBytes(byte[]? bytes, int root);

    /// <summary>Gives every rank every rank's bytes, in rank order; lengths may differ.</summary>
    byte[][] AllGatherBytes(byte[] bytes);

    /// <summary>Waits until every rank has come here.</summary>
    void Barrier();

    /// <summary>Splits the group: ranks of equal <paramref name="color"/> form a group, ordered by <paramref name="key"/>, then by rank.</summary>
    ICollective Split(int color, int key);

    /// <summary>Ends the whole job with an exit code and a message. Does not return in a job of several processes.</summary>
    void Abort(int exitCode, string reason);
}
