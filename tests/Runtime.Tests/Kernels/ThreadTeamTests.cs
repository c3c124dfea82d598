using System.Diagnostics;
using Generated.Kernels;

namespace Runtime.Tests.Kernels;

public sealed unsafe class ThreadTeamTests
{
    private struct CountJob : ITeamJob
    {
        public int* Counts;

        public readonly void Execute(int chunk) => Interlocked.Increment(ref Counts[chunk]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Run_ManyDispatches_EveryPartDoneExactlyOnce(int size)
    {
        using var team = new ThreadTeam(size);
        using var counts = new NativeArray<int>(64);
        for (var round = 0; round < 20_000; round++)
        {
            var chunks = 1 + round % 64;
            counts.Span.Clear();
            var job = new CountJob { Counts = counts.Pointer };
            team.Run(ref job, chunks);
            Assert.True(counts.Span[..chunks].IndexOfAnyExcept(1) < 0 && counts.Span[chunks..].IndexOfAnyExcept(0) < 0, $"round {round}");
        }
        counts.AssertGuardsIntact();
    }

    [Fact]
    public void Run_AfterPauses_WakesParkedMembers()
    {
        using var team = new ThreadTeam(3);
        using var counts = new NativeArray<int>(16);
        for (var round = 0; round < 60; round++)
        {
            Thread.Sleep(round % 4); // around the time at which members park
            counts.Span.Clear();
            var job = new CountJob { Counts = counts.Pointer };
            team.Run(ref job, 16);
            Assert.Equal(-1, counts.Span.IndexOfAnyExcept(1));
        }
    }

    [Fact]
    public Task Run_FromSeveralThreads_TakesTurns()
    {
        var team = new ThreadTeam(2);
        var callers = Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            using var counts = new NativeArray<int>(8);
            for (var round = 0; round < 2_000; round++)
            {
                counts.Span.Clear();
                var job = new CountJob { Counts = counts.Pointer };
                team.Run(ref job, 8);
                Assert.Equal(-1, counts.Span.IndexOfAnyExcept(1));
            }
        })).ToArray();
        return Task.WhenAll(callers).ContinueWith(all =>
        {
            team.Dispose();
            all.GetAwaiter().GetResult();
        }, TaskScheduler.Default);
    }

    private struct MeetJob : ITeamJob
    {
        public int* Arrived;
        public int Expected;

        public readonly void Execute(int chunk)
        {
            Interlocked.Increment(ref *Arrived);
            var clock = Stopwatch.StartNew();
            while (Volatile.Read(ref *Arrived) < Expected)
            {
                if (clock.Elapsed > TimeSpan.FromSeconds(20))
                    throw new TimeoutException("The other members did not come.");
                Thread.Yield();
            }
        }
    }

    [Fact]
    public void Run_AllMembersTakePart()
    {
        using var team = new ThreadTeam(4);
        using var arrived = new NativeArray<int>([0]);
        var job = new MeetJob { Arrived = arrived.Pointer, Expected = 4 };
        team.Run(ref job, 4);
        Assert.Equal(4, arrived.Span[0]);
    }

    private struct ThrowOnWorkerJob : ITeamJob
    {
        public int* Arrived;
        public int Caller;

        public readonly void Execute(int chunk)
        {
            new MeetJob { Arrived = Arrived, Expected = 2 }.Execute(chunk);
            if (Environment.CurrentManagedThreadId != Caller)
                throw new FormatException("on a worker");
        }
    }

    [Fact]
    public void Run_ExceptionOnWorker_SurfacesOnCallerAndTeamStaysUsable()
    {
        using var team = new ThreadTeam(2);
        using var arrived = new NativeArray<int>(1);
        using var counts = new NativeArray<int>(8);
        for (var round = 0; round < 20; round++)
        {
            arrived.Span[0] = 0;
            var job = new ThrowOnWorkerJob { Arrived = arrived.Pointer, Caller = Environment.CurrentManagedThreadId };
            Assert.Equal("on a worker", Assert.Throws<FormatException>(() => team.Run(ref job, 2)).Message);
            counts.Span.Clear();
            var next = new CountJob { Counts = counts.Pointer };
            team.Run(ref next, 8);
            Assert.Equal(-1, counts.Span.IndexOfAnyExcept(1));
        }
    }

    private struct NestedJob : ITeamJob
    {
        public nint Team;
        public int* Refused;

        public readonly void Execute(int chunk)
        {
            var team = (ThreadTeam)System.Runtime.InteropServices.GCHandle.FromIntPtr(Team).Target!;
            var inner = new CountJob { Counts = Refused };
            try
            {
                team.Run(ref inner, 2);
            }
            catch (InvalidOperationException)
            {
                Interlocked.Increment(ref Refused[2]);
            }
        }
    }

    [Fact]
    public void Run_FromInsideItsOwnJob_IsRefusedOnEveryMember()
    {
        using var team = new ThreadTeam(2);
        var handle = System.Runtime.InteropServices.GCHandle.Alloc(team);
        using var refused = new NativeArray<int>([0, 0, 0]);
        for (var round = 0; round < 500; round++)
        {
            var job = new NestedJob { Team = System.Runtime.InteropServices.GCHandle.ToIntPtr(handle), Refused = refused.Pointer };
            team.Run(ref job, 4);
        }
        handle.Free();
        Assert.Equal([0, 0, 2000], refused.Span.ToArray());
    }

    [Fact]
    public void Team_Idle_UsesNoProcessorTime()
    {
        using var team = new ThreadTeam(3);
        using var counts = new NativeArray<int>(8);
        var job = new CountJob { Counts = counts.Pointer };
        team.Run(ref job, 8);
        Assert.True(SpinWait.SpinUntil(() => team.ParkedMembers == 2, TimeSpan.FromSeconds(20)), "members did not park");
    }

    [Fact]
    public void Resize_ChangesTheNumberOfMembers()
    {
        using var team = new ThreadTeam(1);
        using var arrived = new NativeArray<int>(1);
        foreach (var size in new[] { 4, 2, 1, 3 })
        {
            team.Resize(size);
            Assert.Equal(size, team.Size);
            arrived.Span[0] = 0;
            var job = new MeetJob { Arrived = arrived.Pointer, Expected = size };
            team.Run(ref job, size);
        }
    }

    [Fact]
    public void Dispose_EndsTheTeam()
    {
        var team = new ThreadTeam(2);
        team.Dispose();
        team.Dispose();
        using var counts = new NativeArray<int>([0, 0]);
        var job = new CountJob { Counts = counts.Pointer };
        Assert.Throws<ObjectDisposedException>(() => team.Run(ref job, 2));
        Assert.Equal([0, 0], counts.Span.ToArray());
    }

    [Fact]
    public void Run_NoParts_DoesNothing()
    {
        using var team = new ThreadTeam(2);
        var job = new CountJob { Counts = null };
        team.Run(ref job, 0);
    }
}
