using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Generated.Kernels;
using Generated.Native;
using Generated.Quant.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Benchmarks;

/// <summary>
/// All linears of one decoding step of a LLaMA shape, random weights, and a plain read of memory, in interleaved rounds of one run: <c>linears [--in 2048]
/// [--kv 256] [--ffn 5632] [--layers 22] [--vocab 32000] [--threads N] [--rounds 15]</c>. Few distinct layers take turns; they are
/// larger than the cache.
/// </summary>
internal static unsafe class DecodeLinearsBench
{
    private const int DistinctLayers = 4;

    private sealed record System(string Name, double Bytes, Action Step)
    {
        public List<double> Seconds { get; } = [];
    }

    public static int Run(string[] args)
    {
        var options = BenchOptions.Parse(args);
        LibTorch.EnsureLoaded();
        set_num_threads(options.Threads);
        ThreadTeam.Shared.Resize(options.Threads);
        using var inference = inference_mode();
        using var memory = new BenchMemory();
        (int Out, int In)[] layer =
        [
            (options.In + 2 * options.Kv, options.In), (options.In, options.In), (2 * options.Ffn, options.In), (options.In, options.Ffn),
        ];
        var matrices = Enumerable.Repeat(layer, DistinctLayers).SelectMany(shapes => shapes).Append((Out: options.Vocab, options.In)).ToArray();
        var order = Enumerable.Range(0, options.Layers * layer.Length).Select(i => i % (matrices.Length - 1)).Append(matrices.Length - 1).ToArray();
        var read = new PlainRead(memory);
        List<System> systems = [.. Systems(matrices, order, memory), new System("plain read", PlainRead.ColdBytes, read.Run)];
        for (var round = -3; round < options.Rounds; round++)
        {
            foreach (var system in systems)
            {
                var start = Stopwatch.GetTimestamp();
                system.Step();
                if (round >= 0)
                    system.Seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
        }
        var reference = Median(systems[0].Seconds);
        var bandwidth = PlainRead.ColdBytes / Median(systems[^1].Seconds);
        Console.WriteLine($"{order.Length} linears of one step, {order.Sum(i => (long)matrices[i].Out * matrices[i].In) / 1e6:0} M weights, {options.Threads} threads, path {Cpu.Path}");
        Console.WriteLine($"{"",-28} {"ms",8} {"best",8} {"steps/s",8} {"GB/s",6} {"of read",8} {"× libtorch fp32",16} {"of best",8}");
        foreach (var system in systems)
        {
            var median = Median(system.Seconds);
            var ratio = system == systems[^1] ? "" : string.Create(CultureInfo.InvariantCulture, $"{reference / median,16:0.00} {systems[0].Seconds.Min() / system.Seconds.Min(),8:0.00}");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{system.Name,-28} {median * 1e3,8:0.0} {system.Seconds.Min() * 1e3,8:0.0} {1 / median,8:0.0} {system.Bytes / median / 1e9,6:0.0} {system.Bytes / median / bandwidth,8:0%} {ratio}"));
        }
        return 0;
    }

    private static List<System> Systems((int Out, int In)[] matrices, int[] order, BenchMemory memory)
    {
        var widest = matrices.Max(matrix => Math.Max(matrix.In, matrix.Out));
        float* x = memory.Random(widest), y = memory.Floats(widest);
        var inputs = matrices.Select(matrix => matrix.In).Distinct().ToDictionary(width => width, width => randn(1, width));
        var float32 = matrices.Select(matrix => randn(matrix.Out, matrix.In)).ToArray();
        var bfloat16 = float32.Select(weight => weight.to(ScalarType.BFloat16)).ToArray();
        var int8 = Packed(matrix => RandomWeights.Int8(matrix.Out, matrix.In));
        var int4 = Packed(matrix => RandomWeights.Int4(matrix.Out, matrix.In, 128, symmetric: false));
        return
        [
            new System("libtorch float32", Bytes(i => float32[i].NumberOfElements * 4), () => Each(i => nn.functional.linear(inputs[matrices[i].In], float32[i]).Dispose())),
            new System("MatVec float32", Bytes(i => float32[i].NumberOfElements * 4), () => Each(i => Multiply(WeightFormat.Float32, float32[i]))),
            new System("MatVec bfloat16", Bytes(i => bfloat16[i].NumberOfElements * 2), () => Each(i => Multiply(WeightFormat.BFloat16, bfloat16[i]))),
            new System("int8 per channel", Bytes(i => int8[i].Bytes), () => Each(i => int8[i].Multiply(x, null, y, 1))),
            new System("int8 W8A8 per token", Bytes(i => int8[i].Bytes), () => Each(i => ((PackedInt8Matrix)int8[i]).MultiplyInt8(x, null, y, 1, null))),
            new System("int4 group 128", Bytes(i => int4[i].Bytes), () => Each(i => int4[i].Multiply(x, null, y, 1))),
        ];

        double Bytes(Func<int, long> of) => order.Sum(of);

        void Each(Action<int> call)
        {
            foreach (var i in order)
                call(i);
        }

        void Multiply(WeightFormat format, Tensor weight)
            => MatVec.Multiply(format, Unsafe.AsPointer(ref MemoryMarshal.GetReference(weight.bytes)), x, null, y, 1, (int)weight.shape[1], (int)weight.shape[0]);

        PackedMatrix[] Packed(Func<(int Out, int In), PackedMatrix> make)
        {
            var all = matrices.Select(make).ToArray();
            foreach (var matrix in all)
                memory.Own(matrix);
            return all;
        }
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
