using Generated.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Parallel.Nccl;

/// <summary>
/// A group of ranks with a GPU each, through NCCL. Calls are queued on CUDA's default stream, which is also libtorch's,
/// so they are ordered with all computation and return before they are done; what follows may use the result.
/// Another group over the same ranks (MPI, usually) makes the connection and carries bytes, barriers, CPU tensors and aborts.
/// Errors come late: a timer asks NCCL for them and ends the job.
/// </summary>
public sealed unsafe class NcclCollective : ICollective
{
    private const nint DefaultStream = 0;
    private readonly NcclLibrary library;
    private readonly ICollective control;
    private readonly bool ownsControl;
    private readonly Timer watch;
    private readonly List<Transfer> waiting = [];
    private nint communicator;

    private NcclCollective(NcclLibrary library, ICollective control, bool ownsControl, Device device)
    {
        this.library = library;
        this.control = control;
        this.ownsControl = ownsControl;
        Device = device;
        NcclUniqueId id;
        if (control.Rank == 0)
            Check(library.GetUniqueId(&id), "ncclGetUniqueId");
        var bytes = control.BroadcastBytes(control.Rank == 0 ? new ReadOnlySpan<byte>(id.Bytes, NcclUniqueId.Size).ToArray() : null, 0);
        bytes.CopyTo(new Span<byte>(id.Bytes, NcclUniqueId.Size));
        nint handle = 0;
        Check(library.CommInitRank(&handle, control.Size, id, control.Rank), "ncclCommInitRank");
        communicator = handle;
        watch = new Timer(_ => AskForErrors(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
    }

    /// <inheritdoc/>
    public int Rank => control.Rank;

    /// <inheritdoc/>
    public int Size => control.Size;

    /// <inheritdoc/>
    public Device Device { get; }

    /// <summary>Connects the ranks of <paramref name="control"/>, each on its <paramref name="device"/>. A collective call.</summary>
    /// <param name="control">The same ranks; the new group owns it.</param>
    /// <param name="device">This rank's GPU; no two ranks may share one.</param>
    /// <exception cref="NativeLibraryException">There is no NCCL.</exception>
    /// <exception cref="NcclException">The ranks cannot connect.</exception>
    public static NcclCollective Connect(ICollective control, Device device)
    {
        ArgumentNullException.ThrowIfNull(control);
        ArgumentNullException.ThrowIfNull(device);
        return new(NcclLibrary.Load(), control, ownsControl: true, device);
    }

    /// <summary>The same with a given library, on any device.</summary>
    internal static NcclCollective Connect(NcclLibrary library, ICollective control, Device device) => new(library, control, ownsControl: true, device);

    /// <inheritdoc/>
    public void AllReduce(Tensor tensor, Reduction reduction = Reduction.Sum)
    {
        Arguments.Contiguous(tensor, nameof(tensor));
        if (!IsHere(tensor))
        {
            control.AllReduce(tensor, reduction);
            return;
        }
        var address = TorchSharpExports.Address(tensor);
        Check(library.AllReduce(address, address, Count(tensor), NcclLibrary.Type(tensor.dtype), NcclLibrary.Operation(reduction), communicator, DefaultStream), "ncclAllReduce");
        GC.KeepAlive(tensor);
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
        if (!IsHere(local, full))
        {
            control.AllGather(local, full);
            return;
        }
        Check(library.AllGather(TorchSharpExports.Address(local), TorchSharpExports.Address(full), Count(local), NcclLibrary.Type(local.dtype), communicator, DefaultStream), "ncclAllGather");
        GC.KeepAlive(local);
        GC.KeepAlive(full);
    }

    /// <inheritdoc/>
    public void ReduceScatter(Tensor full, Tensor local, Reduction reduction = Reduction.Sum)
    {
        Arguments.Gather(local, full, Size);
        if (!IsHere(local, full))
        {
            control.ReduceScatter(full, local, reduction);
            return;
        }
        Check(library.ReduceScatter(TorchSharpExports.Address(full), TorchSharpExports.Address(local), Count(local), NcclLibrary.Type(local.dtype), NcclLibrary.Operation(reduction), communicator, DefaultStream), "ncclReduceScatter");
        GC.KeepAlive(local);
        GC.KeepAlive(full);
    }

    /// <inheritdoc/>
    public void AllToAll(Tensor send, Tensor receive)
    {
        Arguments.AllToAll(send, receive, Size);
        if (!IsHere(send, receive))
        {
            control.AllToAll(send, receive);
            return;
        }
        var type = NcclLibrary.Type(send.dtype);
        var count = Count(send) / (nuint)Size;
        var step = (nint)(count * (nuint)send.element_size());
        var (from, to) = (TorchSharpExports.Address(send), TorchSharpExports.Address(receive));
        Check(library.GroupStart(), "ncclGroupStart");
        for (var peer = 0; peer < Size; peer++)
        {
            Check(library.Send(from + peer * step, count, type, peer, communicator, DefaultStream), "ncclSend");
            Check(library.Receive(to + peer * step, count, type, peer, communicator, DefaultStream), "ncclRecv");
        }
        Check(library.GroupEnd(), "ncclGroupEnd");
        GC.KeepAlive(send);
        GC.KeepAlive(receive);
    }

    /// <inheritdoc/>
    public void Broadcast(Tensor tensor, int root)
    {
        Arguments.Contiguous(tensor, nameof(tensor));
        Arguments.Peer(root, Size, nameof(root));
        if (!IsHere(tensor))
        {
            control.Broadcast(tensor, root);
            return;
        }
        var address = TorchSharpExports.Address(tensor);
        Check(library.Broadcast(address, address, Count(tensor), NcclLibrary.Type(tensor.dtype), root, communicator, DefaultStream), "ncclBroadcast");
        GC.KeepAlive(tensor);
    }

    /// <inheritdoc/>
    /// <remarks>NCCL pairs sends and receives in order; <paramref name="tag"/> has no effect on GPU tensors.</remarks>
    public void Send(Tensor tensor, int destination, int tag = 0) => SendAsync(tensor, destination, tag).Wait();

    /// <inheritdoc/>
    /// <remarks><inheritdoc cref="Send" path="/remarks"/></remarks>
    public void Receive(Tensor tensor, int source, int tag = 0) => ReceiveAsync(tensor, source, tag).Wait();

    /// <inheritdoc/>
    /// <remarks>Transfers started before the first <see cref="IWork.Wait"/> are handed to NCCL together, as one group.</remarks>
    public IWork SendAsync(Tensor tensor, int destination, int tag = 0)
    {
        Arguments.Contiguous(tensor, nameof(tensor));
        Arguments.Peer(destination, Size, nameof(destination));
        return IsHere(tensor) ? new Transfer(this, tensor, destination, isSend: true) : control.SendAsync(tensor, destination, tag);
    }

    /// <inheritdoc/>
    /// <remarks><inheritdoc cref="SendAsync" path="/remarks"/></remarks>
    public IWork ReceiveAsync(Tensor tensor, int source, int tag = 0)
    {
        Arguments.Contiguous(tensor, nameof(tensor));
        Arguments.Peer(source, Size, nameof(source));
        return IsHere(tensor) ? new Transfer(this, tensor, source, isSend: false) : control.ReceiveAsync(tensor, source, tag);
    }

    /// <inheritdoc/>
    public void Batch(Action transfers)
    {
        ArgumentNullException.ThrowIfNull(transfers);
        Check(library.GroupStart(), "ncclGroupStart");
        try
        {
            transfers();
        }
        finally
        {
            Check(library.GroupEnd(), "ncclGroupEnd");
        }
    }

    /// <inheritdoc/>
    public byte[] BroadcastBytes(byte[]? bytes, int root) => control.BroadcastBytes(bytes, root);

    /// <inheritdoc/>
    public byte[][] AllGatherBytes(byte[] bytes) => control.AllGatherBytes(bytes);

    /// <inheritdoc/>
    public void Barrier() => control.Barrier();

    /// <inheritdoc/>
    public ICollective Split(int color, int key) => new NcclCollective(library, control.Split(color, key), ownsControl: true, Device);

    /// <inheritdoc/>
    public void Abort(int exitCode, string reason)
    {
        // Kernels that wait for other ranks would keep this process from ending.
        if (Interlocked.Exchange(ref communicator, 0) is not 0 and var handle)
            _ = library.CommAbort(handle);
        control.Abort(exitCode, reason);
    }

    /// <summary>Frees the group on all of its ranks, and the group that it was connected by.</summary>
    public void Dispose()
    {
        watch.Dispose();
        if (Interlocked.Exchange(ref communicator, 0) is not 0 and var handle)
            Check(library.CommDestroy(handle), "ncclCommDestroy");
        if (ownsControl)
            control.Dispose();
    }

    private static nuint Count(Tensor tensor) => (nuint)tensor.numel();

    private void Check(int code, string call) => library.Check(code, call);

    /// <summary>Whether tensors are on this group's device; those on the CPU go by the other group.</summary>
    private bool IsHere(params ReadOnlySpan<Tensor> tensors)
    {
        ObjectDisposedException.ThrowIf(communicator == 0, this);
        foreach (var tensor in tensors)
            if (tensor.device_type != Device.type)
                return false;
        return true;
    }

    private void AskForErrors()
    {
        var handle = Volatile.Read(ref communicator);
        if (handle == 0)
            return;
        var error = 0;
        if (library.CommGetAsyncError(handle, &error) == 0 && error is not (0 or 7))
            Abort(1, $"NCCL: {library.ErrorText(error)}. NCCL_DEBUG=INFO shows more.");
    }

    /// <summary>Hands all transfers that wait to NCCL as one group, so that a ring of sends and receives cannot block itself.</summary>
    private void Flush()
    {
        if (waiting.Count == 0)
            return;
        Check(library.GroupStart(), "ncclGroupStart");
        foreach (var transfer in waiting)
            transfer.Enqueue();
        Check(library.GroupEnd(), "ncclGroupEnd");
        foreach (var transfer in waiting)
            transfer.End();
        waiting.Clear();
    }

    private sealed class Transfer : IWork
    {
        private readonly NcclCollective owner;
        private readonly Tensor memory;
        private readonly int peer;
        private readonly bool isSend;

        internal Transfer(NcclCollective owner, Tensor tensor, int peer, bool isSend)
        {
            this.owner = owner;
            this.peer = peer;
            this.isSend = isSend;
            memory = tensor.alias().DetachFromDisposeScope();
            owner.waiting.Add(this);
        }

        public bool IsCompleted { get; private set; }

        public void Wait()
        {
            if (!IsCompleted)
                owner.Flush();
        }

        internal void Enqueue()
        {
            var type = NcclLibrary.Type(memory.dtype);
            if (isSend)
                owner.Check(owner.library.Send(TorchSharpExports.Address(memory), Count(memory), type, peer, owner.communicator, DefaultStream), "ncclSend");
            else
                owner.Check(owner.library.Receive(TorchSharpExports.Address(memory), Count(memory), type, peer, owner.communicator, DefaultStream), "ncclRecv");
        }

        // The caching allocator reuses memory in stream order, so the alias may go before the transfer is done.
        internal void End()
        {
            memory.Dispose();
            IsCompleted = true;
        }
    }
}
