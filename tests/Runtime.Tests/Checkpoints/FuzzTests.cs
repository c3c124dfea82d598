using FsCheck.Xunit;
using Generated.Checkpoints;
using Generated.Checkpoints.Paddle;
using Generated.Checkpoints.Safetensors;
using Generated.Checkpoints.Storage;
using Generated.Checkpoints.Torch;
using Generated.Checkpoints.Writing;

namespace Runtime.Tests.Checkpoints;

/// <summary>
/// Damaged and hostile files: each is read correctly or refused with <see cref="InvalidInputException"/>, no other exception, and no byte
/// outside of the file is touched (the memory behind it is unreadable). 210 seeds of 1000 files; FsCheck prints the seed of a failure.
/// </summary>
public sealed class FuzzTests : IDisposable
{
    private const int Seeds = 50;
    private const int PerSeed = 1000;

    private readonly GuardedMemory _memory = new(1 << 16);

    public void Dispose() => _memory.Dispose();

    [Property(MaxTest = Seeds)]
    public void Safetensors_Damaged_IsReadOrRefused(int seed) =>
        Fuzz(seed, SafetensorsFiles(), bytes => ReadAll(SafetensorsFile.Read(_memory.Place(bytes))), FixHeaderLength);

    [Property(MaxTest = Seeds)]
    public void Pickles_Damaged_AreReadOrRefused(int seed) => Fuzz(seed, Pickles(), bytes => ReadAll(PaddleFile.Read(_memory.Place(bytes))));

    [Property(MaxTest = Seeds)]
    public void TorchFiles_Damaged_AreReadOrRefused(int seed) => Fuzz(seed, TorchFiles(), bytes =>
    {
        ReadAll(bytes.AsSpan().StartsWith("PK"u8) ? TorchFile.ReadZip(_memory.Place(bytes)) : TorchFile.ReadLegacy(_memory.Place(bytes)));
    });

    [Property(MaxTest = Seeds)]
    public void Index_Damaged_IsReadOrRefused(int seed) => Fuzz(
        seed,
        [
            ShardPlan.Index([new("model-00001-of-00002.safetensors", [new("a.weight", DType.F32, 2)]), new("model-00002-of-00002.safetensors", [new("b", DType.F32, 2)])]),
            """{"metadata":{"total_size":8},"weight_map":{"a":"b.safetensors","c":"sub..d"}}"""u8.ToArray(),
        ],
        bytes =>
        {
            foreach (var file in ShardIndex.Parse("memory", bytes).Files.Values)
                Assert.Equal(file, Path.GetFileName(file));
        });

    [Property(MaxTest = Seeds / 5)]
    public void AnyFile_Damaged_IsReadOrRefused(int seed) => Fuzz(
        seed,
        [.. SafetensorsFiles(), .. Pickles(), .. TorchFiles()],
        bytes => ReadAll(TensorFiles.Read(_memory.Place(bytes), out _)));

    private static void Fuzz(int seed, byte[][] corpus, Action<byte[]> read, Action<byte[]>? repair = null)
    {
        var random = new Random(seed);
        var refused = 0;
        for (var i = 0; i < PerSeed; i++)
        {
            var bytes = Mutator.Mutate(random, corpus[random.Next(corpus.Length)], corpus[random.Next(corpus.Length)]);
            if (bytes.Length == 0)
                continue;
            if (random.Next(2) == 0)
                repair?.Invoke(bytes);
            try
            {
                read(bytes);
            }
            catch (InvalidInputException e)
            {
                Assert.False(string.IsNullOrWhiteSpace(e.Message));
                refused++;
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"Input {i} of seed {seed}: {Convert.ToHexString(bytes)}", e);
            }
        }

        // The damage reaches both the checks and the readers behind them.
        Assert.InRange(refused, PerSeed / 10, PerSeed - (PerSeed / 100));
    }

    /// <summary>Reads every tensor, whole and in part. None can be larger than the file it is in.</summary>
    private static void ReadAll(TensorFile file)
    {
        using var open = file;
        foreach (var (name, info) in file.Tensors)
        {
            Assert.InRange(info.ByteCount, 0, 1 << 16);
            try
            {
                _ = file.ReadBytes(name);
                if (info.Shape.Count > 0 && info.Shape[0] > 1)
                    file.ReadRows(name, 1, 1, new byte[info.ByteCount / info.Shape[0]]);
            }
            catch (InvalidInputException e)
            {
                // The text of a protocol 2 array is looked at when it is read.
                Assert.Contains("text", e.Message, StringComparison.Ordinal);
            }
        }
    }

    /// <summary>Makes the header's length true again, so that damage behind it is reached.</summary>
    private static void FixHeaderLength(byte[] bytes)
    {
        var end = bytes.AsSpan().LastIndexOf((byte)'}') + 1;
        if (end > 8)
            BitConverter.TryWriteBytes(bytes, (long)(end - 8));
    }

    private static byte[][] SafetensorsFiles()
    {
        using var folder = Files.Temporary();
        using var source = new MemorySource().Add("a", DType.F32, 2, 3).Add("b", DType.BF16, 5).Add("c", DType.Bool).Add("d", DType.I64, 0, 2);
        CheckpointWriter.Write(source, folder.Path);
        return [File.ReadAllBytes(folder["model.safetensors"]), File.ReadAllBytes(Files.Fixture("paddle-encodings", "bf16_as_u16.safetensors"))];
    }

    private static byte[][] Pickles() =>
    [
        .. Directory.GetFiles(Files.Fixture("paddle-encodings"), "*.pd*").Order(StringComparer.Ordinal).Select(File.ReadAllBytes),
        new PickleBuilder().Op('}').Text("w").Array("f4", [2, 3], new byte[24], fortran: true).Op('s').Op('.').ToArray(),
    ];

    private static byte[][] TorchFiles()
    {
        var pickle = new PickleBuilder().Op('}').Text("x").Tensor("FloatStorage", "0", 12, 0, [3, 4], [4, 1]).Op('s')
            .Text("y").Tensor("FloatStorage", "0", 12, 1, [4, 2], [1, 4]).Op('s').Op('.').ToArray();
        var archive = (bool zip64) => ZipBuilder.Archive(zip64, ("a/data.pkl", pickle), ("a/byteorder", "little"u8.ToArray()), ("a/data/0", new byte[48]));
        return [archive(false), archive(true), TorchFileTests.Legacy(12)];
    }
}
