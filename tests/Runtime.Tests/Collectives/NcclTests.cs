using System.Runtime.InteropServices;
using Generated;
using Generated.Parallel;
using Generated.Parallel.Nccl;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Collectives;

/// <summary>
/// What reaches NCCL, seen by a library in its place that writes down its arguments and copies memory as one rank's NCCL
/// would. The real one needs GPUs; tests/RankApp runs the contract on them (RankApp nccl 1 cuda).
/// </summary>
public sealed unsafe class NcclTests : IDisposable
{
    private const string Fake = """
        #include <stdarg.h>
        #include <stdio.h>
        #include <string.h>
        typedef struct { unsigned char b[128]; } uid;
        static char text[1 << 16];
        static int lock, late;
        static int note(const char* format, ...) {
            while (__sync_lock_test_and_set(&lock, 1)) ;
            va_list a; va_start(a, format); size_t n = strlen(text); vsnprintf(text + n, sizeof text - n, format, a); va_end(a);
            __sync_lock_release(&lock);
            return 0;
        }
        static size_t width(int type) { static const int w[] = { 1, 1, 4, 4, 8, 8, 2, 4, 8, 2 }; return w[type]; }
        const char* fake_log(void) { return text; }
        void fake_late_error(int code) { late = code; }
        int ncclGetUniqueId(uid* id) { for (int i = 0; i < 128; i++) id->b[i] = i; return 0; }
        int ncclCommInitRank(void** comm, int n, uid id, int rank) {
            int sum = 0; for (int i = 0; i < 128; i++) sum += (i + 1) * id.b[i];
            *comm = (void*)(long)(0x100 + rank);
            return note("init n=%d rank=%d id=%d\n", n, rank, sum);
        }
        int ncclCommDestroy(void* c) { return note("destroy %p\n", c); }
        int ncclCommAbort(void* c) { return note("abort %p\n", c); }
        int ncclCommGetAsyncError(void* c, int* e) { *e = late; return 0; }
        int ncclAllReduce(const void* s, void* r, size_t n, int type, int op, void* c, void* stream) {
            if (n == 13) return 5;
            return note("allreduce inplace=%d n=%zu type=%d op=%d comm=%p stream=%p\n", s == r, n, type, op, c, stream);
        }
        int ncclAllGather(const void* s, void* r, size_t n, int type, void* c, void* stream) {
            memcpy(r, s, n * width(type)); return note("allgather n=%zu type=%d\n", n, type);
        }
        int ncclReduceScatter(const void* s, void* r, size_t n, int type, int op, void* c, void* stream) {
            memcpy(r, s, n * width(type)); return note("reducescatter n=%zu type=%d op=%d\n", n, type, op);
        }
        int ncclBroadcast(const void* s, void* r, size_t n, int type, int root, void* c, void* stream) {
            return note("broadcast inplace=%d n=%zu type=%d root=%d\n", s == r, n, type, root);
        }
        int ncclSend(const void* s, size_t n, int type, int peer, void* c, void* stream) { return note("send n=%zu type=%d peer=%d first=%g\n", n, type, peer, *(const float*)s); }
        int ncclRecv(void* r, size_t n, int type, int peer, void* c, void* stream) { return note("recv n=%zu type=%d peer=%d\n", n, type, peer); }
        int ncclGroupStart(void) { return note("{\n"); }
        int ncclGroupEnd(void) { return note("}\n"); }
        const char* ncclGetErrorString(int code) { return code == 5 ? "invalid usage" : "remote error"; }
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("generated-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private (NcclLibrary Library, Func<string[]> Log, Action<int> LateError) Build()
    {
        var path = CCompiler.Compile(folder, Fake, "libfakenccl.so");
        var handle = NativeLibrary.Load(path);
        var log = (delegate* unmanaged[Cdecl]<nint>)NativeLibrary.GetExport(handle, "fake_log");
        var late = (delegate* unmanaged[Cdecl]<int, void>)NativeLibrary.GetExport(handle, "fake_late_error");
        return (NcclLibrary.Load(path), () => Marshal.PtrToStringUTF8(log())!.Split('\n', StringSplitOptions.RemoveEmptyEntries), code => late(code));
    }

    [SkippableFact]
    public void Calls_ReachNcclWithTheRightArguments()
    {
        var (library, log, _) = Build();
        using (var group = NcclCollective.Connect(library, new SingleCollective(), CPU))
        {
            using var x = arange(6, ScalarType.Float32);
            using var half = ones([4, 2], ScalarType.BFloat16);
            using var part = half.narrow(0, 2, 2);
            using var y = zeros([6], ScalarType.Float32);
            group.AllReduce(x);
            group.AllReduce(part, Reduction.Average);
            group.AllReduce(x, Reduction.Max);
            group.AllGather(x, y);
            Assert.Equal(new float[] { 0, 1, 2, 3, 4, 5 }, y.data<float>().ToArray());
            group.ReduceScatter(y, x);
            group.Broadcast(x, 0);
            var send = group.SendAsync(x, 0);
            var receive = group.ReceiveAsync(y, 0);
            Assert.False(send.IsCompleted);
            receive.Wait();
            Assert.True(send.IsCompleted);
            group.AllToAll(x, y);
        }
        // The sum of (i + 1) i over 128 bytes: all of the id arrived, in order.
        Assert.Equal(
        [
            "init n=1 rank=0 id=699008",
            "allreduce inplace=1 n=6 type=7 op=0 comm=0x100 stream=(nil)",
            "allreduce inplace=1 n=4 type=9 op=4 comm=0x100 stream=(nil)",
            "allreduce inplace=1 n=6 type=7 op=2 comm=0x100 stream=(nil)",
            "allgather n=6 type=7",
            "reducescatter n=6 type=7 op=0",
            "broadcast inplace=1 n=6 type=7 root=0",
            "{", "send n=6 type=7 peer=0 first=0", "recv n=6 type=7 peer=0", "}",
            "{", "send n=6 type=7 peer=0 first=0", "recv n=6 type=7 peer=0", "}",
            "destroy 0x100",
        ], log());
    }

    [SkippableFact]
    public void Ranks_ShareOneIdAndSplit()
    {
        var (library, log, _) = Build();
        ThreadCollective.Run(4, control =>
        {
            using var group = NcclCollective.Connect(library, control, CPU);
            using var part = group.Split(control.Rank / 2, 0);
            Assert.Equal((2, control.Rank % 2), (part.Size, part.Rank));
        });
        var lines = log();
        for (var rank = 0; rank < 4; rank++)
            Assert.Contains($"init n=4 rank={rank} id=699008", lines);
        Assert.Equal(2, lines.Count(l => l == "init n=2 rank=1 id=699008"));
    }

    [SkippableFact]
    public void FailedCall_IsATypedException()
    {
        var (library, _, _) = Build();
        using var group = NcclCollective.Connect(library, new SingleCollective(), CPU);
        using var x = zeros(13);
        var e = Assert.Throws<NcclException>(() => group.AllReduce(x));
        Assert.Equal(5, e.Code);
        Assert.StartsWith("ncclAllReduce failed: invalid usage.", e.Message);
    }

    [SkippableFact]
    public void LateError_AbortsTheJob()
    {
        var (library, log, lateError) = Build();
        var control = new RecordingControl();
        using var group = NcclCollective.Connect(library, control, CPU);
        lateError(6);
        Assert.True(control.Aborted.Wait(TimeSpan.FromSeconds(20)));
        Assert.Contains("NCCL: remote error", control.Reason);
        Assert.Contains("abort 0x100", log());
    }

    [Fact]
    public void LibraryThatIsNotNccl_IsNamed() =>
        Assert.Contains("libm.so.6 has no ncclGetUniqueId", Assert.Throws<Generated.Native.NativeLibraryException>(() => NcclLibrary.Load("libm.so.6")).Message);

    [Theory]
    [InlineData(null, 2, 4, "2")]
    [InlineData(null, 0, 1, null)]
    [InlineData("4,5,6,7", 1, 4, "5")]
    [InlineData("GPU-a, GPU-b", 1, 2, "GPU-b")]
    [InlineData("3", 1, 4, null)] // bound by the launcher
    public void VisibleDevices_GivesEachRankItsOwn(string? visible, int localRank, int localSize, string? chosen) =>
        Assert.Equal(chosen, VisibleDevices.Choose(visible, new(Launcher.OpenMpi, localRank, localSize, localRank, localSize)));

    [Fact]
    public void TooFewDevices_AreNamed()
    {
        var e = Assert.Throws<InvalidInputException>(() => VisibleDevices.Choose("0,1", new(Launcher.OpenMpi, 6, 8, 2, 4)));
        Assert.Contains("Rank 6 has no GPU of its own: CUDA_VISIBLE_DEVICES=0,1 names 2 for 4 ranks", e.Message);
    }

    [Theory]
    [InlineData(3, 2, true)]
    [InlineData(2, 2, false)]
    [InlineData(2, 0, false)] // none at all: the device's name is refused instead
    public void RanksWithoutGpuBesideOthersWithOne_FailEverywhere(int ranks, int gpus, bool fails)
    {
        var messages = ThreadCollective.Run(ranks, group =>
        {
            try
            {
                VisibleDevices.Require(group, group.Rank < gpus);
                return null;
            }
            catch (InvalidInputException e)
            {
                return e.Message;
            }
        });
        Assert.All(messages, message => Assert.Equal(fails, message?.StartsWith($"Each rank needs a GPU of its own, but only {gpus} of {ranks} ranks have one", StringComparison.Ordinal) ?? false));
    }

    private sealed class RecordingControl : ICollective
    {
        private readonly SingleCollective inner = new();

        internal ManualResetEventSlim Aborted { get; } = new();

        internal string? Reason { get; private set; }

        public int Rank => 0;

        public int Size => 1;

        public Device Device => CPU;

        public void Abort(int exitCode, string reason)
        {
            Reason = reason;
            Aborted.Set();
        }

        public byte[] BroadcastBytes(byte[]? bytes, int root) => inner.BroadcastBytes(bytes, root);

        public byte[][] AllGatherBytes(byte[] bytes) => inner.AllGatherBytes(bytes);

        public void AllReduce(Tensor tensor, Reduction reduction = Reduction.Sum) => inner.AllReduce(tensor, reduction);

        public IWork AllReduceAsync(Tensor tensor, Reduction reduction = Reduction.Sum) => inner.AllReduceAsync(tensor, reduction);

        public void AllGather(Tensor local, Tensor full) => inner.AllGather(local, full);

        public void ReduceScatter(Tensor full, Tensor local, Reduction reduction = Reduction.Sum) => inner.ReduceScatter(full, local, reduction);

        public void AllToAll(Tensor send, Tensor receive) => inner.AllToAll(send, receive);

        public void Broadcast(Tensor tensor, int root) => inner.Broadcast(tensor, root);

        public void Send(Tensor tensor, int destination, int tag = 0) => inner.Send(tensor, destination, tag);

        public void Receive(Tensor tensor, int source, int tag = 0) => inner.Receive(tensor, source, tag);

        public IWork SendAsync(Tensor tensor, int destination, int tag = 0) => inner.SendAsync(tensor, destination, tag);

        public IWork ReceiveAsync(Tensor tensor, int source, int tag = 0) => inner.ReceiveAsync(tensor, source, tag);

        public void Batch(Action transfers) => inner.Batch(transfers);

        public void Barrier() => inner.Barrier();

        public ICollective Split(int color, int key) => inner.Split(color, key);

        public void Dispose() => inner.Dispose();
    }
}
