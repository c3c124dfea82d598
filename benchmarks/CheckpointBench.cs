using System.Diagnostics;
using System.Globalization;
using Generated.Checkpoints;
using Generated.Checkpoints.Views;
using Generated.Checkpoints.Writing;
using Generated.Native;
using Microsoft.Win32.SafeHandles;
using TorchSharp;

namespace Generated.Benchmarks;

/// <summary>
/// Loading and converting a checkpoint beside reading and copying its file, in interleaved rounds of one run, from the page cache:
/// <c>checkpoints [--megabytes 512] [--rounds 7] [--folder PATH]</c>. Every case moves the same bytes.
/// </summary>
internal static class CheckpointBench
{
    private const int Piece = 4 << 20;

    private sealed record Case(string Name, string Beside, Action Run)
    {
        public List<double> Seconds { get; } = [];

        public double Median => Seconds.Order().ElementAt(Seconds.Count / 2);
    }

    public static int Run(string[] args)
    {
        var (megabytes, rounds, folder) = Parse(args);
        LibTorch.EnsureLoaded();
        folder = Directory.CreateDirectory(Path.Combine(folder, $"generated-bench-{Environment.ProcessId}")).FullName;
        try
        {
            var file = Create(folder, (long)megabytes << 20);
            var bytes = new FileInfo(file).Length;
            Console.WriteLine($"A decoder's {bytes / 1e6:F0} MB of bfloat16 in {Checkpoint.Open(file).Tensors.Count} tensors, {rounds} interleaved rounds, page cache warm, {folder}");
            var cases = Cases(file, folder);
            for (var round = -1; round < rounds; round++)
            {
                foreach (var one in cases)
                {
                    var start = Stopwatch.GetTimestamp();
                    one.Run();
                    if (round >= 0)
                        one.Seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
                    foreach (var written in Directory.GetFiles(folder, "out*"))
                        File.Delete(written);
                }
            }

            foreach (var one in cases)
            {
                var beside = cases.First(other => other.Name == one.Beside);
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{one.Name,-58} {bytes / 1e6 / one.Median,8:F0} MB/s  {one.Median * 1e3,8:F1} ms  {one.Median / beside.Median,6:F2} x {one.Beside}"));
            }

            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static List<Case> Cases(string file, string folder)
    {
        const string ReadFile = "read the file once";
        const string CopyFile = "copy the file, flushed";
        var huggingFace = new CheckpointWriteOptions { MaxShardBytes = long.MaxValue, FileStem = "out" };
        var paddle = huggingFace with { Format = CheckpointFormat.PaddlePickle };
        return
        [
            new Case(ReadFile, ReadFile, () => ReadOnce(file)),
            new Case("load every tensor", ReadFile, () => Load(file, _ => null)),
            new Case("load every tensor, converted to float32", ReadFile, () => Load(file, _ => torch.ScalarType.Float32)),
            new Case("load half of every tensor (one of two ranks)", ReadFile, () => LoadHalves(file)),
            new Case(CopyFile, CopyFile, () => Copy(file, Path.Combine(folder, "out.copy"))),
            new Case("convert: same layout", CopyFile, () => Convert(file, folder, huggingFace, view => view)),
            new Case("convert: to paddle.save, linears transposed", CopyFile, () => Convert(file, folder, paddle, view => view.Transpose())),
            new Case("convert: to float16", CopyFile, () => Convert(file, folder, huggingFace, view => view.Convert(DType.F16))),
        ];
    }

    private static void ReadOnce(string file)
    {
        using var handle = File.OpenHandle(file);
        var buffer = GC.AllocateUninitializedArray<byte>(Piece);
        for (long at = 0, read; (read = RandomAccess.Read(handle, buffer, at)) > 0; at += read)
        {
        }
    }

    private static void Copy(string from, string to)
    {
        File.Copy(from, to);
        using SafeFileHandle handle = File.OpenHandle(to, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(handle);
    }

    private static void Load(string file, Func<TensorInfo, torch.ScalarType?> dtype)
    {
        using var checkpoint = Checkpoint.Open(file);
        foreach (var (name, info) in checkpoint.Tensors)
            checkpoint.Load(name, dtype: dtype(info)).Dispose();
    }

    private static void LoadHalves(string file)
    {
        using var checkpoint = Checkpoint.Open(file);
        foreach (var (name, info) in checkpoint.Tensors)
            checkpoint.Load(name, TensorSlice.Part(info, info.Shape.Count - 1, 0, 2)).Dispose();
    }

    private static void Convert(string file, string folder, CheckpointWriteOptions options, Func<TensorView, TensorView> change)
    {
        using var checkpoint = Checkpoint.Open(file);
        using var views = new ViewSource(file, checkpoint.Tensors.Keys.Select(name => change(TensorView.Of(checkpoint, name))));
        CheckpointWriter.Write(views, folder, options);
    }

    /// <summary>Layers of a LLaMA shape until the size is reached.</summary>
    private static string Create(string folder, long bytes)
    {
        const int Hidden = 2048, Ffn = 5632;
        var tensors = new List<TensorInfo>();
        for (var layer = 0; tensors.Sum(tensor => tensor.ByteCount) < bytes; layer++)
        {
            foreach (var name in new[] { "q", "k", "v", "o" })
                tensors.Add(new TensorInfo($"model.layers.{layer}.self_attn.{name}_proj.weight", DType.BF16, Hidden, Hidden));
            tensors.Add(new TensorInfo($"model.layers.{layer}.mlp.gate_proj.weight", DType.BF16, Ffn, Hidden));
            tensors.Add(new TensorInfo($"model.layers.{layer}.mlp.up_proj.weight", DType.BF16, Ffn, Hidden));
            tensors.Add(new TensorInfo($"model.layers.{layer}.mlp.down_proj.weight", DType.BF16, Hidden, Ffn));
            tensors.Add(new TensorInfo($"model.layers.{layer}.input_layernorm.weight", DType.BF16, Hidden));
        }

        var random = new Random(1);
        using var writer = CheckpointWriter.Create(folder, tensors, new CheckpointWriteOptions { MaxShardBytes = long.MaxValue });
        foreach (var tensor in tensors)
        {
            var values = new byte[tensor.ByteCount];
            random.NextBytes(values);
            writer.Append(tensor.Name, values);
        }

        writer.Complete();
        return Path.Combine(folder, "model.safetensors");
    }

    private static (int Megabytes, int Rounds, string Folder) Parse(string[] args)
    {
        var (megabytes, rounds, folder) = (512, 7, Path.GetTempPath());
        for (var i = 0; i < args.Length; i += 2)
        {
            var value = i + 1 < args.Length ? args[i + 1] : "";
            var isNumber = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0;
            switch (args[i])
            {
                case "--megabytes" when isNumber: megabytes = number; break;
                case "--rounds" when isNumber: rounds = number; break;
                case "--folder" when Directory.Exists(value): folder = value; break;
                default: throw new InvalidInputException($"Option {args[i]} {value} is not --megabytes N, --rounds N or --folder PATH.");
            }
        }

        return (megabytes, rounds, folder);
    }
}
