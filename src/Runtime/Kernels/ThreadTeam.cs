using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Generated.Kernels;

/// <summary>
/// A fixed team of threads for kernels of 10 to 1000 µs. Members spin while work keeps coming (a dispatch then costs about 0.1 µs,
/// against several for <see cref="Parallel"/>) and park when none has come for <see cref="HotMicroseconds"/>, so that an idle
/// process uses no CPU and libtorch's own threads are not starved.
/// </summary>
/// <remarks>
/// The calling thread is a member. Parts of a job are claimed one by one, so a member that is late (parked, or preempted on a busy
/// machine) costs its share of speed and nothing else. Which member does a part never changes a result.
/// Calls from several threads take turns; a job that starts another job on its own team is refused.
/// </remarks>
public sealed unsafe class ThreadTeam : IDisposable
{
    /// <summary>How long an idle member spins before it parks.</summary>
    internal const int HotMicroseconds = 100;

    private const int PausesPerClockRead = 32;
    private const int MaxSize = 1024;
    private static readonly long HotTicks = HotMicroseconds * Stopwatch.Frequency / 1_000_000;

    [ThreadStatic]
    private static ThreadTeam? s_memberOf;

    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _wake = new(0);
    private Thread[] _workers = [];
    private bool _disposed;
    private Board _board;

    /// <summary>What members share, one cache line each: whoever spins on one must not slow the others.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 384)]
    private struct Board
    {
        [FieldOffset(64)] public int Unclaimed;
        [FieldOffset(128)] public int Unfinished;
        [FieldOffset(192)] public int Parked;
        [FieldOffset(196)] public bool Stopping;
        [FieldOffset(256)] public delegate*<void*, int, void> Body;
        [FieldOffset(264)] public void* Job;
        [FieldOffset(272)] public int Chunks;
    }

    private Exception? _failure;

    /// <param name="size">Number of threads with the caller's, at least 1.</param>
    public ThreadTeam(int size) => Start(size);

    /// <summary>The team that kernels use unless given another. Its first size is OMP_NUM_THREADS, as libtorch's is, or the number of processors.</summary>
    public static ThreadTeam Shared { get; } = new(DefaultSize());

    /// <summary>Number of threads, the caller's included.</summary>
    public int Size => _workers.Length + 1;

    /// <summary>Members asleep.</summary>
    internal int ParkedMembers => Volatile.Read(ref _board.Parked);

    /// <summary>Changes the number of threads (as torch.set_num_threads does for libtorch's). Waits for a running job.</summary>
    /// <exception cref="InvalidOperationException">Called from inside a job of this team.</exception>
    public void Resize(int size)
    {
        Enter();
        try
        {
            if (size == Size)
                return;
            Stop();
            Start(size);
        }
        finally { _gate.Exit(); }
    }

    /// <summary>Does all parts of <paramref name="job"/> and returns when the last is done.</summary>
    /// <param name="job">The work; it may live on the caller's stack.</param>
    /// <param name="chunks">Number of parts.</param>
    /// <exception cref="InvalidOperationException">Called from inside a job of this team.</exception>
    /// <remarks>An exception in any part is thrown here, after all members have left the job; parts not yet begun are skipped.</remarks>
    internal void Run<TJob>(ref TJob job, int chunks)
        where TJob : unmanaged, ITeamJob
    {
        ArgumentOutOfRangeException.ThrowIfNegative(chunks);
        if (chunks <= 1 || (_workers.Length == 0 && !_disposed))
        {
            for (var chunk = 0; chunk < chunks; chunk++)
                job.Execute(chunk);
            return;
        }
        fixed (TJob* pinned = &job)
            Dispatch(&Invoke<TJob>, pinned, chunks);
    }

    /// <summary>Ends the worker threads. Waits for a running job.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        Enter();
        try
        {
            Stop();
            _disposed = true;
        }
        finally { _gate.Exit(); }
        _wake.Dispose();
    }

    private static void Invoke<TJob>(void* job, int chunk)
        where TJob : unmanaged, ITeamJob
        => ((TJob*)job)->Execute(chunk);

    private void Dispatch(delegate*<void*, int, void> body, void* job, int chunks)
    {
        Enter();
        try
        {
            _board.Body = body;
            _board.Job = job;
            _board.Chunks = chunks;
            _board.Unfinished = chunks;
            Interlocked.Exchange(ref _board.Unclaimed, chunks);
            // The exchange is a full fence: either a member about to park sees the work, or its parking is seen here.
            if (Volatile.Read(ref _board.Parked) > 0)
                Wake();
            Drain();
            AwaitOthers();
            if (_failure is { } failure)
            {
                _failure = null;
                ExceptionDispatchInfo.Throw(failure);
            }
        }
        finally { _gate.Exit(); }
    }

    private void Enter()
    {
        if (_gate.IsHeldByCurrentThread || s_memberOf == this)
            throw new InvalidOperationException("A job of a thread team called its own team; call the kernels of a job one after the other.");
        _gate.Enter();
        if (!_disposed)
            return;
        _gate.Exit();
        throw new ObjectDisposedException(nameof(ThreadTeam));
    }

    private void Start(int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, MaxSize);
        _board.Stopping = false;
        _workers = new Thread[size - 1];
        for (var i = 0; i < _workers.Length; i++)
        {
            _workers[i] = new Thread(Work) { IsBackground = true, Name = $"Generated kernel {i + 1}" };
            _workers[i].Start();
        }
    }

    private void Stop()
    {
        Volatile.Write(ref _board.Stopping, true);
        Interlocked.MemoryBarrier();
        Wake();
        foreach (var worker in _workers)
            worker.Join();
    }

    private void Wake()
    {
        var parked = Interlocked.Exchange(ref _board.Parked, 0);
        if (parked > 0)
            _wake.Release(parked);
    }

    private void Work()
    {
        s_memberOf = this;
        while (SpinForWork() || Park())
            Drain();
    }

    /// <summary>True when there is work; false when none came for a while, or the team stops.</summary>
    private bool SpinForWork()
    {
        var start = Stopwatch.GetTimestamp();
        do
        {
            for (var i = 0; i < PausesPerClockRead; i++)
            {
                if (Volatile.Read(ref _board.Unclaimed) > 0)
                    return true;
                Pause();
            }
        } while (Stopwatch.GetTimestamp() - start < HotTicks && !Volatile.Read(ref _board.Stopping));
        return false;
    }

    /// <summary>Sleeps until there is work; false when the team stops.</summary>
    private bool Park()
    {
        Interlocked.Increment(ref _board.Parked);
        var mustWait = true;
        if (Volatile.Read(ref _board.Unclaimed) > 0 || Volatile.Read(ref _board.Stopping))
            mustWait = !WithdrawParking();
        if (mustWait)
            _wake.Wait();
        return !Volatile.Read(ref _board.Stopping);
    }

    /// <summary>False when the caller has already released the semaphore for this parking, which must then be consumed.</summary>
    private bool WithdrawParking()
    {
        while (Volatile.Read(ref _board.Parked) is > 0 and var parked)
        {
            if (Interlocked.CompareExchange(ref _board.Parked, parked - 1, parked) == parked)
                return true;
        }
        return false;
    }

    private void Drain()
    {
        var finished = 0;
        while (Volatile.Read(ref _board.Unclaimed) > 0)
        {
            // Whoever gets a non-negative ticket holds back the job's end, so the job's fields are its own until it reports.
            var ticket = Interlocked.Decrement(ref _board.Unclaimed);
            if (ticket < 0)
                break;
            Execute(_board.Chunks - 1 - ticket);
            finished++;
        }
        if (finished > 0)
            Interlocked.Add(ref _board.Unfinished, -finished);
    }

    private void Execute(int chunk)
    {
        if (Volatile.Read(ref _failure) is not null)
            return;
        try
        {
            _board.Body(_board.Job, chunk);
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref _failure, e, null);
        }
    }

    private void AwaitOthers()
    {
        for (var spins = 0; Volatile.Read(ref _board.Unfinished) > 0; spins++)
        {
            if (spins < 4096)
                Pause();
            else
                Thread.Yield(); // the member may be preempted by a thread that waits for this core
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Pause()
    {
        if (X86Base.IsSupported)
            X86Base.Pause();
        else
            Thread.SpinWait(1);
    }

    private static int DefaultSize()
        => int.TryParse(Environment.GetEnvironmentVariable("OMP_NUM_THREADS"), out var threads) && threads is >= 1 and <= MaxSize
            ? threads
            : Math.Min(Environment.ProcessorCount, MaxSize);
}
