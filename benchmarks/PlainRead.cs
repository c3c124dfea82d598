using System.Runtime.Intrinsics;
using Generated.Kernels;

namespace Generated.Benchmarks;

/// <summary>All threads read a buffer that no cache holds, once: what the memory gives at most.</summary>
internal sealed unsafe class PlainRead(BenchMemory memory)
{
    private const int Chunks = 64;
    private readonly float* _buffer = memory.Random(ColdBytes / sizeof(float));

    /// <summary>Bytes of a buffer several times as large as any L3 that this is likely to meet.</summary>
    public const long ColdBytes = 192L << 20;

    public void Run()
    {
        var job = new ReadJob { Source = _buffer, Length = ColdBytes / sizeof(float) };
        ThreadTeam.Shared.Run(ref job, Chunks);
    }

    private struct ReadJob : ITeamJob
    {
        public float* Source;
        public long Length;
        public float Sink;

        public void Execute(int chunk)
        {
            float* p = Source + Length / Chunks * chunk, end = p + Length / Chunks;
            Vector256<float> a = default, b = default, c = default, d = default;
            for (; p < end; p += 32)
            {
                a += Vector256.Load(p);
                b += Vector256.Load(p + 8);
                c += Vector256.Load(p + 16);
                d += Vector256.Load(p + 24);
            }
            if (Vector256.Sum(a + b + c + d) == 0.5f)
                Sink = 1; // never, but the loads cannot be dropped
        }
    }
}
