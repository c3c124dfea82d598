using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Parallel;

/// <summary>
/// Ranks that are threads of one process, for tests of parallel code without MPI. Results are the same bits on every
/// rank and in every run (values are combined in rank order; halves in float32, rounded once). Calls that do not match
/// between ranks, a rank that fails, and a rank that ends early release all others with a message that says so.
/// </summary>
public sealed class ThreadCollective : ICollective
{
    private readonly ThreadMeeting meeting;

    internal ThreadCollective(ThreadMeeting meeting, int rank)
    {
        this.meeting = meeting;
        Rank = rank;
    }

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int Size => meeting.Size;

    /// <inheritdoc/>
    public Device Device => CPU;

    /// <summary>Runs <paramref name="body"/> on <paramref name="size"/> threads, each with its rank, and waits for all.</summary>
    /// <param name="size">Number of ranks.</param>
    /// <param name="body">What each rank does.</param>
    /// <param name="timeout">How long a rank waits for the others in one call; a minute if not given.</param>
    /// <exception cref="CollectiveException">A rank failed; the message names it, the inner exception is its own.</exception>
    public static void Run(int size, Action<ICollective> body, TimeSpan? timeout = null) =>
        Run(size, rank =>
        {
            body(rank);
            return true;
        }, timeout);

    /// <summary>Runs <paramref name="body"/> on <paramref name="size"/> threads and returns what each rank returned, in rank order.</summary>
    /// <inheritdoc cref="Run(int, Action{ICollective}, TimeSpan?)"/>
    public static T[] Run<T>(int size, Func<ICollective, T> body, TimeSpan? timeout = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        var job = new ThreadJob(timeout ?? TimeSpan.FromMinutes(1));
        var world = new ThreadMeeting(job, [.. Enumerable.Range(0, size)]);
        var results = new T[size];
        var threads = new Thread[size];
        for (var i = 0; i < size; i++)
        {
            var rank = i;
            threads[i] = new Thread(() =>
            {
                try
                {
                    results[rank] = body(new ThreadCollective(world, rank));
                    job.End(rank);
                }
                catch (Exception e)
                {
                    job.Fail(rank, e);
                }
            })
            { IsBackground = true, Name = $"rank {rank}" };
            threads[i].Start();
        }
        foreach (var thread in threads)
            thread.Join();
        job.ThrowIfFailed();
        return results;
    }

    /// <inheritdoc/>
    public void AllReduce(Tensor tensor, Reduction reduction = Reduction.Sum)
    {
        Arguments.Contiguous(tensor, nameof(tensor));
        using var _ = no_grad();
        var tensors = meeting.Exchange(Rank, $"AllReduce({reduction}) of {Arguments.Describe(tensor)}", tensor);
        using var combined = Combine(tensors.Select(t => ((Tensor)t!).alias()), reduction);
        Leave();
        tensor.copy_(combined);
    }

    /// <inheritdoc/>
    public IWork AllReduceAsync(Tensor tensor, Reduction reduction = Reduction.Sum)
    {
        AllReduce(tensor, reduction);
        return CompletedWork.Instance;
    }

    /// <inheritdoc/>
    public void AllGather(Tensor local, Tensor full)
    {
        Arguments.Gather(local, full, Size);
        using var _ = no_grad();
        var parts = meeting.Exchange(Rank, $"AllGather of {Arguments.Describe(local)}", local);
        for (var i = 0; i < Size; i++)
            CopyPart(full, i, local.shape[0], (Tensor)parts[i]!);
        Leave();
    }

    /// <inheritdoc/>
    public void ReduceScatter(Tensor full, Tensor local, Reduction reduction = Reduction.Sum)
    {
        Arguments.Gather(local, full, Size);
        using var _ = no_grad();
        var tensors = meeting.Exchange(Rank, $"ReduceScatter({reduction}) of {Arguments.Describe(full)}", full);
        using var combined = Combine(tensors.Select(t => ((Tensor)t!).narrow(0, Rank * local.shape[0], local.shape[0])), reduction);
        Leave();
        local.copy_(combined);
    }

    /// <inheritdoc/>
    public void AllToAll(Tensor send, Tensor receive)
    {
        Arguments.AllToAll(send, receive, Size);
        using var _ = no_grad();
        var part = send.shape[0] / Size;
        var tensors = meeting.Exchange(Rank, $"AllToAll of {Arguments.Describe(send)}", send);
        for (var i = 0; i < Size; i++)
        {
            using var from = ((Tensor)tensors[i]!).narrow(0, Rank * part, part);
            CopyPart(receive, i, part, from);
        }
        Leave();
    }

    /// <inheritdoc/>
    public void Broadcast(Tensor tensor, int root)
    {
        Arguments.Contiguous(tensor, nameof(tensor));
        Arguments.Peer(root, Size, nameof(root));
        using var _ = no_grad();
        var tensors = meeting.Exchange(Rank, $"Broadcast from {root} of {Arguments.Describe(tensor)}", tensor);
        if (Rank != root)
            tensor.copy_((Tensor)tensors[root]!);
        Leave();
    }

    /// <inheritdoc/>
    public void Send(Tensor tensor, int destination, int tag = 0)
    {
        Arguments.Contiguous(tensor, nameof(tensor));
        Arguments.Peer(destination, Size, nameof(destination));
        meeting.Post(Rank, destination, tag, tensor.detach().clone().DetachFromDisposeScope());
    }

    /// <inheritdoc/>
    public void Receive(Tensor tensor, int source, int tag = 0)
    {
        Arguments.Contiguous(tensor, nameof(tensor));
        Arguments.Peer(source, Size, nameof(source));
        using var message = meeting.Take(source, Rank, tag);
        if (message.dtype != tensor.dtype || message.numel() != tensor.numel())
            throw new CollectiveException($"Rank {Rank} receives {Arguments.Describe(tensor)} from rank {source}, which sent {Arguments.Describe(message)}.");
        using var _ = no_grad();
        using var shaped = message.view(tensor.shape);
        tensor.copy_(shaped);
    }

    /// <inheritdoc/>
    public IWork SendAsync(Tensor tensor, int destination, int tag = 0)
    {
        Send(tensor, destination, tag);
        return CompletedWork.Instance;
    }

    /// <inheritdoc/>
    public IWork ReceiveAsync(Tensor tensor, int source, int tag = 0)
    {
        Arguments.Contiguous(tensor, nameof(tensor));
        return new LateReceive(this, tensor, source, tag);
    }

    /// <inheritdoc/>
    public void Batch(Action transfers) => transfers();

    /// <inheritdoc/>
    public byte[] BroadcastBytes(byte[]? bytes, int root)
    {
        Arguments.Peer(root, Size, nameof(root));
        return [.. (byte[])(meeting.Exchange(Rank, $"BroadcastBytes from {root}", bytes)[root] ?? throw new ArgumentNullException(nameof(bytes)))];
    }

    /// <inheritdoc/>
    public byte[][] AllGatherBytes(byte[] bytes) => [.. meeting.Exchange(Rank, "AllGatherBytes", bytes).Select(b => ((byte[])b!).ToArray())];

    /// <inheritdoc/>
    public void Barrier() => meeting.Exchange(Rank, "Barrier", null);

    /// <inheritdoc/>
    public ICollective Split(int color, int key)
    {
        var wishes = meeting.Exchange(Rank, "Split", (color, key));
        var members = Enumerable.Range(0, Size).Where(r => (((int, int))wishes[r]!).Item1 == color).OrderBy(r => (((int, int))wishes[r]!).Item2).ToArray();
        var index = Array.IndexOf(members, Rank);
        var mine = index == 0 ? new ThreadMeeting(meeting.Job, [.. members.Select(m => meeting.WorldRanks[m])]) : null;
        var made = meeting.Exchange(Rank, "Split", mine);
        return new ThreadCollective((ThreadMeeting)made[members[0]]!, index);
    }

    /// <summary>Releases every rank of the job with <paramref name="reason"/>; this rank gets it as an exception.</summary>
    public void Abort(int exitCode, string reason) => throw new CollectiveException(reason);

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    /// <summary>No rank may go on to change a tensor that another is still reading.</summary>
    private void Leave() => meeting.Exchange(Rank, "the end of a collective", null);

    private static void CopyPart(Tensor whole, int index, long length, Tensor part)
    {
        using var place = whole.narrow(0, index * length, length);
        place.copy_(part);
    }

    /// <summary>Combines the parts, disposing them, in order.</summary>
    private Tensor Combine(IEnumerable<Tensor> parts, Reduction reduction)
    {
        Tensor? result = null;
        var type = ScalarType.Float32;
        foreach (var part in parts)
        {
            using var disposed = part;
            if (result is null)
            {
                type = part.dtype;
                result = type is ScalarType.BFloat16 or ScalarType.Float16 ? part.to(ScalarType.Float32) : part.clone();
                continue;
            }
            if (reduction == Reduction.Max)
            {
                using var previous = result;
                using var wide = part.to(previous.dtype);
                result = maximum(previous, wide);
            }
            else
            {
                result.add_(part);
            }
        }
        if (reduction == Reduction.Average)
            result!.div_(Size);
        using (result)
            return result!.to(type, copy: true);
    }

    private sealed class LateReceive(ThreadCollective owner, Tensor tensor, int source, int tag) : IWork
    {
        private readonly Tensor target = tensor.alias().DetachFromDisposeScope();

        public bool IsCompleted { get; private set; }

        public void Wait()
        {
            if (IsCompleted)
                return;
            owner.Receive(target, source, tag);
            target.Dispose();
            IsCompleted = true;
        }
    }
}
