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
/// Matrix-vector kernels beside libtorch's linears, in interleaved rounds of one run: <c>kernels [--out 5632] [--in 2048] [--rows 1]
/// [--threads N] [--rounds 15]</c>. Each case rotates through enough matrices that weights come from memory, not from the cache.
/// </summary>
internal static unsafe class KernelBench
{
    private const long ColdBytes = PlainRead.ColdBytes;

    private sealed record Case(string Name, long BytesPerCall, int Copies, Action<int> Call)
    {
        public List<double> Seconds { get; } = [];

        public int Next { get; set; }
    }

    public static int Run(string[] args)
    {
        var options = BenchOptions.Parse(args);
        LibTorch.EnsureLoaded();
        set_num_threads(options.Threads);
        ThreadTeam.Shared.Resize(options.Threads);
        using var inference = inference_mode();
        using var memory = new BenchMemory();
        Console.WriteLine($"y[{options.Rows}, {options.Out}] = x[{options.Rows}, {options.In}] · Wᵀ, {options.Threads} threads, path {Cpu.Path}, {options.Rounds} interleaved rounds");
        var cases = Cases(options, memory);
        for (var round = -2; round < options.Rounds; round++)
        {
            foreach (var one in cases)
            {
                var seconds = Time(one, options.Rows);
                if (round >= 0)
                    one.Seconds.Add(seconds);
            }
        }
        Print(cases);
        return 0;
    }

    private static List<Case> Cases(BenchOptions options, BenchMemory memory)
    {
        int rows = options.Rows, width = options.In, outputs = options.Out;
        var count = (long)width * outputs;
        var x = memory.Random(rows * (long)width);
        var y = memory.Floats(rows * (long)outputs);
        var cases = new List<Case> { Read(memory) };
        foreach (var (name, type) in new[] { ("float32", ScalarType.Float32), ("bfloat16", ScalarType.BFloat16), ("float16", ScalarType.Float16) })
        {
            var bytes = count * (type == ScalarType.Float32 ? 4 : 2);
            var copies = (int)(ColdBytes / bytes) + 1;
            var input = randn(rows, width, dtype: type);
            var weights = Enumerable.Range(0, copies).Select(_ => randn(outputs, width, dtype: type)).ToArray();
            cases.Add(new Case($"libtorch linear {name}", bytes, copies, i => nn.functional.linear(input, weights[i]).Dispose()));
            var pointers = weights.Select(Address).ToArray();
            var format = Enum.Parse<WeightFormat>(type.ToString());
            cases.Add(new Case($"MatVec {name}", bytes, copies,
                i => MatVec.Multiply(format, (void*)pointers[i], x, null, y, rows, width, outputs)));
            if (rows > 1)
                cases.Add(new Case($"MatMul {name}", bytes, copies, i => MatMul.Multiply(format, (void*)pointers[i], x, null, y, rows, width, outputs)));
        }
        AddPacked(cases, options, memory, x, y);
        return cases;
    }

    private static void AddPacked(List<Case> cases, BenchOptions options, BenchMemory memory, float* x, float* y)
    {
        var int8 = Copies(() => RandomWeights.Int8(options.Out, options.In), memory);
        cases.Add(new Case("int8 per channel", int8[0].Bytes, int8.Length, i => int8[i].Multiply(x, null, y, options.Rows)));
        if (options.Rows > 1)
            AddDequantized(cases, options, "int8 per channel", int8);
        cases.Add(new Case("int8 W8A8 per token", int8[0].Bytes, int8.Length, i => ((PackedInt8Matrix)int8[i]).MultiplyInt8(x, null, y, options.Rows, null)));
        foreach (var symmetric in new[] { false, true })
        {
            var int4 = Copies(() => RandomWeights.Int4(options.Out, options.In, 128, symmetric), memory);
            if (options.Rows > 1)
                AddDequantized(cases, options, $"int4 g128 {(symmetric ? "symmetric" : "asymmetric")}", int4);
            cases.Add(new Case($"int4 g128 {(symmetric ? "symmetric" : "asymmetric")}", int4[0].Bytes, int4.Length, i => int4[i].Multiply(x, null, y, options.Rows)));
        }
    }

    /// <summary>The way to multiply many rows: dequantize, then libtorch's float product.</summary>
    private static void AddDequantized(List<Case> cases, BenchOptions options, string name, PackedMatrix[] matrices)
    {
        var input = randn(options.Rows, options.In);
        var weight = zeros(options.Out, options.In);
        var address = Address(weight);
        cases.Add(new Case($"{name}, dequantized", matrices[0].Bytes, matrices.Length, i =>
        {
            matrices[i].Dequantize((float*)address, 0, options.Out);
            nn.functional.linear(input, weight).Dispose();
        }));
    }

    private static PackedMatrix[] Copies(Func<PackedMatrix> make, BenchMemory memory)
    {
        var first = make();
        var all = new PackedMatrix[(int)(ColdBytes / first.Bytes) + 1];
        for (var i = 0; i < all.Length; i++)
            memory.Own(all[i] = i == 0 ? first : make());
        return all;
    }

    private static Case Read(BenchMemory memory)
    {
        var read = new PlainRead(memory);
        return new Case("plain read", ColdBytes, 1, _ => read.Run());
    }

    private static double Time(Case one, int rows)
    {
        var calls = Math.Max(1, (int)(ColdBytes / one.BytesPerCall / rows));
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < calls; i++)
        {
            one.Call(one.Next);
            one.Next = (one.Next + 1) % one.Copies;
        }
        return Stopwatch.GetElapsedTime(start).TotalSeconds / calls;
    }

    private static void Print(List<Case> cases)
    {
        var read = cases[0];
        var readSpeed = read.BytesPerCall / Median(read.Seconds);
        var libtorch = cases.First(one => one.Name == "libtorch linear float32").Seconds;
        Console.WriteLine($"{"",-36} {"µs",8} {"best",8} {"GB/s",6} {"of read",8} {"× libtorch fp32",16} {"of best",8}");
        foreach (var one in cases)
        {
            var median = Median(one.Seconds);
            var ratio = one == read ? "" : string.Create(CultureInfo.InvariantCulture, $"{Median(libtorch) / median,16:0.00} {libtorch.Min() / one.Seconds.Min(),8:0.00}");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{one.Name,-36} {median * 1e6,8:0} {one.Seconds.Min() * 1e6,8:0} {one.BytesPerCall / median / 1e9,6:0.0} {one.BytesPerCall / median / readSpeed,8:0%} {ratio}"));
        }
    }

    private static nint Address(Tensor tensor) => (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(tensor.bytes));

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
