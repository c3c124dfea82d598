using System.Runtime.InteropServices;
using Generated.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Parallel.Mpi;

/// <summary>
/// A group of MPI processes (Open MPI, MPICH and its relatives, or the MPI 5 standard interface), on tensors' own memory.
/// CUDA tensors are staged through the CPU. Results are the same bits on all ranks, and from run to run for the same
/// number of ranks. A failed call throws <see cref="MpiException"/>; a rank that catches one must <see cref="Abort"/>,
/// since the others wait (see <see cref="Launch.Run"/>).
/// </summary>
public sealed unsafe class MpiCollective : ICollective
{
    // A call over more bytes is cut: pieces that fit the caches made a 64 MB all-reduce twice as fast.
    private const long ChunkBytes = 4 << 20;
    private readonly MpiJob job;
    private readonly bool isWorld;
    private readonly Watchdog.Slot watch;
    private nint communicator;

    private MpiCollective(MpiJob job, nint communicator, bool isWorld)
    {
        this.job = job;
        this.isWorld = isWorld;
        this.communicator = communicator;
        watch = job.Watchdog.NewSlot();
        int rank, size;
        Check(job.Library.CommRank(communicator, &rank), "MPI_Comm_rank");
        Check(job.Library.CommSize(communicator, &size), "MPI_Comm_size");
        (Rank, Size) = (rank, size);
    }

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int Size { get; }

    /// <inheritdoc/>
    public Device Device => CPU;

    /// <summary>Which MPI is in use, for information: its interface and file.</summary>
    public string Description => $"{job.Abi.Name} ({job.Library.File})";

    /// <summary>All ranks of the job. Starts MPI at the first call; disposing it ends MPI, so do that once, at the end, on every rank.</summary>
    /// <exception cref="CollectiveException">MPI cannot start; the message says why.</exception>
    /// <exception cref="NativeLibraryException">There is no MPI library.</exception>
    public static MpiCollective World()
    {
        var job = MpiJob.Start();
        return new(job, job.Abi.World, isWorld: true);
    }

    /// <inheritdoc/>
    public void AllReduce(Tensor tensor, Reduction reduction = Reduction.Sum)
    {
        using var _ = watch.Enter(nameof(AllReduce));
        Arguments.Contiguous(tensor, nameof(tensor));
        using var staged = new Staged(tensor, read: true, write: true);
        var operation = job.Operation(tensor.dtype, reduction);
        foreach (var (address, count) in Chunks(staged.Tensor))
            Check(job.Library.AllReduce(job.Abi.InPlace, address, count, job.Abi.Type(tensor.dtype), operation, communicator), "MPI_Allreduce");
        Finish(staged.Tensor, reduction);
    }

    /// <inheritdoc/>
    public IWork AllReduceAsync(Tensor tensor, Reduction reduction = Reduction.Sum)
    {
        Arguments.Contiguous(tensor, nameof(tensor));
        var operation = job.Operation(tensor.dtype, reduction);
        var type = job.Abi.Type(tensor.dtype);
        return new Work(this, tensor, read: true, write: true, "MPI_Iallreduce", reduction, (address, count, request) =>
            job.Library.IAllReduce(job.Abi.InPlace, address, count, type, operation, communicator, (nint*)request));
    }

    /// <inheritdoc/>
    public void AllGather(Tensor local, Tensor full)
    {
        using var _ = watch.Enter(nameof(AllGather));
        Arguments.Gather(local, full, Size);
        using var from = new Staged(local, read: true, write: false);
        using var to = new Staged(full, read: false, write: true);
        var (type, count) = (job.Abi.Type(local.dtype), Count(local));
        Check(job.Library.AllGather(from.Address, count, type, to.Address, count, type, communicator), "MPI_Allgather");
    }

    /// <inheritdoc/>
    public void ReduceScatter(Tensor full, Tensor local, Reduction reduction = Reduction.Sum)
    {
        using var _ = watch.Enter(nameof(ReduceScatter));
        Arguments.Gather(local, full, Size);
        using var from = new Staged(full, read: true, write: false);
        using var to = new Staged(local, read: false, write: true);
        Check(job.Library.ReduceScatterBlock(from.Address, to.Address, Count(local), job.Abi.Type(local.dtype), job.Operation(local.dtype, reduction), communicator), "MPI_Reduce_scatter_block");
        Finish(to.Tensor, reduction);
    }

    /// <inheritdoc/>
    public void AllToAll(Tensor send, Tensor receive)
    {
        using var _ = watch.Enter(nameof(AllToAll));
        Arguments.AllToAll(send, receive, Size);
        using var from = new Staged(send, read: true, write: false);
        using var to = new Staged(receive, read: false, write: true);
        var (type, count) = (job.Abi.Type(send.dtype), Count(send) / Size);
        Check(job.Library.AllToAll(from.Address, count, type, to.Address, count, type, communicator), "MPI_Alltoall");
    }

    /// <inheritdoc/>
    public void Broadcast(Tensor tensor, int root)
    {
        using var _ = watch.Enter(nameof(Broadcast));
        Arguments.Contiguous(tensor, nameof(tensor));
        Arguments.Peer(root, Size, nameof(root));
        using var staged = new Staged(tensor, read: Rank == root, write: Rank != root);
        foreach (var (address, count) in Chunks(staged.Tensor))
            Check(job.Library.Broadcast(address, count, job.Abi.Type(tensor.dtype), root, communicator), "MPI_Bcast");
    }

    /// <inheritdoc/>
    public void Send(Tensor tensor, int destination, int tag = 0)
    {
        using var _ = watch.Enter(nameof(Send));
        Arguments.Contiguous(tensor, nameof(tensor));
        Arguments.Peer(destination, Size, nameof(destination));
        using var staged = new Staged(tensor, read: true, write: false);
        Check(job.Library.Send(staged.Address, Count(tensor), job.Abi.Type(tensor.dtype), destination, tag, communicator), "MPI_Send");
    }

    /// <inheritdoc/>
    public void Receive(Tensor tensor, int source, int tag = 0)
    {
        using var _ = watch.Enter(nameof(Receive));
        Arguments.Contiguous(tensor, nameof(tensor));
        Arguments.Peer(source, Size, nameof(source));
        using var staged = new Staged(tensor, read: false, write: true);
        Check(job.Library.Receive(staged.Address, Count(tensor), job.Abi.Type(tensor.dtype), source, tag, communicator, job.Abi.StatusIgnore), "MPI_Recv");
    }

    /// <inheritdoc/>
    public IWork SendAsync(Tensor tensor, int destination, int tag = 0)
    {
        Arguments.Contiguous(tensor, nameof(tensor));
        Arguments.Peer(destination, Size, nameof(destination));
        var type = job.Abi.Type(tensor.dtype);
        return new Work(this, tensor, read: true, write: false, "MPI_Isend", Reduction.Sum, (address, count, request) =>
            job.Library.ISend(address, count, type, destination, tag, communicator, (nint*)request));
    }

    /// <inheritdoc/>
    public IWork ReceiveAsync(Tensor tensor, int source, int tag = 0)
    {
        Arguments.Contiguous(tensor, nameof(tensor));
        Arguments.Peer(source, Size, nameof(source));
        var type = job.Abi.Type(tensor.dtype);
        return new Work(this, tensor, read: false, write: true, "MPI_Irecv", Reduction.Sum, (address, count, request) =>
            job.Library.IReceive(address, count, type, source, tag, communicator, (nint*)request));
    }

    /// <inheritdoc/>
    public void Batch(Action transfers) => transfers();

    /// <inheritdoc/>
    public byte[] BroadcastBytes(byte[]? bytes, int root)
    {
        using var _ = watch.Enter(nameof(BroadcastBytes));
        Arguments.Peer(root, Size, nameof(root));
        if (Rank == root)
            ArgumentNullException.ThrowIfNull(bytes);
        var length = Rank == root ? bytes!.LongLength : 0;
        Check(job.Library.Broadcast((nint)(&length), 1, job.Abi.Int64, root, communicator), "MPI_Bcast");
        var result = Rank == root ? bytes! : new byte[length];
        fixed (byte* address = result)
            Check(job.Library.Broadcast((nint)address, result.Length, job.Abi.Byte, root, communicator), "MPI_Bcast");
        return result;
    }

    /// <inheritdoc/>
    public byte[][] AllGatherBytes(byte[] bytes)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        // One broadcast per rank: this carries checkpoint indices and the like, not tensors.
        var all = new byte[Size][];
        for (var rank = 0; rank < Size; rank++)
            all[rank] = BroadcastBytes(rank == Rank ? bytes : null, rank);
        return all;
    }

    /// <inheritdoc/>
    public void Barrier()
    {
        using var _ = watch.Enter(nameof(Barrier));
        Check(job.Library.Barrier(communicator), "MPI_Barrier");
    }

    /// <inheritdoc/>
    public ICollective Split(int color, int key)
    {
        using var _ = watch.Enter(nameof(Split));
        ArgumentOutOfRangeException.ThrowIfNegative(color);
        nint part = 0;
        Check(job.Library.CommSplit(communicator, color, key, &part), "MPI_Comm_split");
        return new MpiCollective(job, part, isWorld: false);
    }

    /// <inheritdoc/>
    public void Abort(int exitCode, string reason) => job.Abort(exitCode, reason);

    /// <summary>Frees the group, on all of its ranks; the world's ends MPI.</summary>
    public void Dispose()
    {
        if (communicator == 0)
            return;
        var handle = communicator;
        communicator = 0;
        job.Watchdog.Remove(watch);
        if (isWorld)
            job.Dispose();
        else
            Check(job.Library.CommFree(&handle), "MPI_Comm_free");
    }

    private static int Count(Tensor tensor) =>
        tensor.numel() is <= int.MaxValue and var count
            ? (int)count
            : throw new ArgumentException($"MPI cannot exchange {Arguments.Describe(tensor)} in one call: it has more than 2^31-1 elements; cut it.");

    private static IEnumerable<(nint Address, int Count)> Chunks(Tensor tensor)
    {
        var address = TorchSharpExports.Address(tensor);
        var size = tensor.element_size();
        var step = ChunkBytes / size;
        for (long done = 0, count = tensor.numel(); done < count; done += step)
            yield return (address + (nint)(done * size), (int)Math.Min(step, count - done));
    }

    private void Finish(Tensor tensor, Reduction reduction)
    {
        if (reduction != Reduction.Average)
            return;
        using var _ = no_grad();
        tensor.div_(Size);
    }

    private void Check(int code, string call) => job.Library.Check(code, call);

    /// <summary>A tensor's memory on the CPU: its own, or a copy that is written back.</summary>
    private readonly ref struct Staged(Tensor tensor, bool read, bool write)
    {
        private readonly bool direct = tensor.device_type == DeviceType.CPU;

        internal Tensor Tensor { get; } = (tensor.device_type == DeviceType.CPU ? tensor.alias() : read ? tensor.cpu() : empty(tensor.shape, tensor.dtype, CPU)).DetachFromDisposeScope();

        internal nint Address => TorchSharpExports.Address(Tensor);

        public void Dispose()
        {
            using var _ = no_grad();
            if (write && !direct)
                tensor.copy_(Tensor);
            Tensor.Dispose();
        }
    }

    /// <summary>A nonblocking call; keeps the tensor's memory alive until it has ended.</summary>
    private sealed class Work : IWork
    {
        private readonly MpiCollective owner;
        private readonly Tensor target;
        private readonly Tensor memory;
        private readonly bool write;
        private readonly string call;
        private readonly Reduction reduction;
        private nint request;

        internal Work(MpiCollective owner, Tensor tensor, bool read, bool write, string call, Reduction reduction, Func<nint, int, nint, int> start)
        {
            this.owner = owner;
            this.write = write;
            this.call = call;
            this.reduction = reduction;
            var count = Count(tensor);
            target = tensor.alias().DetachFromDisposeScope();
            memory = (tensor.device_type == DeviceType.CPU ? target.alias() : read ? target.cpu() : empty(tensor.shape, tensor.dtype, CPU)).DetachFromDisposeScope();
            nint handle = 0;
            owner.Check(start(TorchSharpExports.Address(memory), count, (nint)(&handle)), call);
            request = handle;
        }

        public bool IsCompleted { get; private set; }

        public void Wait()
        {
            if (IsCompleted)
                return;
            using var _ = owner.watch.Enter(call);
            var handle = request;
            owner.Check(owner.job.Library.Wait(&handle, owner.job.Abi.StatusIgnore), "MPI_Wait");
            IsCompleted = true;
            owner.Finish(memory, reduction);
            if (write && target.device_type != DeviceType.CPU)
            {
                using var __ = no_grad();
                target.copy_(memory);
            }
            memory.Dispose();
            target.Dispose();
        }
    }
}
