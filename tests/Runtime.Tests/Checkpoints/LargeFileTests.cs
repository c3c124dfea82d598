using System.Globalization;
using Generated.Checkpoints;

namespace Runtime.Tests.Checkpoints;

/// <summary>
/// Files of 10 GB and more that take no space: everything but what describes the tensors, and their last bytes, is a hole. Their names are
/// listed without an array of that size and without touching the values, and what is far beyond 4 GB is found.
/// </summary>
public sealed class LargeFileTests
{
    private const long Columns = 1L << 30, Rows = 5;
    private const long Length = Rows * Columns * 2;
    private const int MostBytes = 4 << 20;

    private static readonly byte[] End = [1, 2, 3, 4];

    [SkippableFact]
    public void Safetensors_ListsNamesAndFindsTheEnd()
    {
        using var folder = Files.Temporary();
        var header = System.Text.Encoding.ASCII.GetBytes($$$"""{"x":{"dtype":"F16","shape":[{{{Rows}}},{{{Columns}}}],"data_offsets":[0,{{{Length}}}]}}""");
        using (var file = Begin(folder["model.safetensors"]))
        {
            file.Write(BitConverter.GetBytes((long)header.Length));
            file.Write(header);
            WriteValues(file);
        }

        Check(folder["model.safetensors"], "x");
    }

    [SkippableFact]
    public void TorchArchive_ListsNamesAndFindsTheEnd()
    {
        using var folder = Files.Temporary();
        var pickle = new PickleBuilder().Op('}')
            .Text("first").Tensor("HalfStorage", "0", Rows * Columns, 0, [Rows, Columns], [Columns, 1]).Op('s')
            .Text("second").Tensor("HalfStorage", "1", Rows * Columns, 0, [Rows, Columns], [Columns, 1]).Op('s').Op('.').ToArray();
        using (var file = Begin(folder["pytorch_model.bin"]))
            ZipBuilder.Write(file, zip64: true, ("archive/data.pkl", 0, pickle), ("archive/data/0", Length - End.Length, End), ("archive/data/1", Length - End.Length, End));
        Check(folder["pytorch_model.bin"], "first", "second");
    }

    [SkippableFact]
    public void PaddlePickle_ListsNamesAndFindsTheEnd()
    {
        using var folder = Files.Temporary();
        using (var file = Begin(folder["model_state.pdparams"]))
        {
            file.Write(new PickleBuilder(protocol: 4).Op('}').ToArray());
            foreach (var name in new[] { "first", "second" })
            {
                file.Write(new PickleBuilder(protocol: 4).Text(name).ArrayBeforeData("f2", [Rows, Columns]).Op(0x8e).Op(BitConverter.GetBytes(Length)).ToArray().AsSpan(2));
                WriteValues(file);
                file.Write(new PickleBuilder(protocol: 4).ArrayAfterData().Op('s').ToArray().AsSpan(2));
            }

            file.WriteByte((byte)'.');
        }

        Check(folder["model_state.pdparams"], "first", "second");
    }

    private static void Check(string path, params string[] names)
    {
        Assert.InRange(new FileInfo(path).Length, names.Length * Length, (names.Length * Length) + 10_000);
        var before = GC.GetAllocatedBytesForCurrentThread();
        using var checkpoint = Checkpoint.Open(path);
        Assert.Equal(names, checkpoint.Tensors.Keys);
        Assert.All(names, name => Assert.Equal([Rows, Columns], checkpoint.Info(name).Shape));
        foreach (var name in names)
        {
            var bytes = new byte[6];
            checkpoint.Read(name, TensorSlice.Along(checkpoint.Info(name), 0, Rows - 1, 1).Narrow(1, Columns - 3, 3), bytes);
            Assert.Equal([0, 0, .. End], bytes);
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostBytes);
        Assert.InRange(ResidentBytes(path), 1, MostBytes);
    }

    private static FileStream Begin(string path)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "Other systems' file systems may store the holes.");
        return File.Create(path);
    }

    private static void WriteValues(FileStream file)
    {
        file.Seek(Length - End.Length, SeekOrigin.Current);
        file.Write(End);
    }

    /// <summary>Bytes of a mapped file that were read from it into this process.</summary>
    private static long ResidentBytes(string path)
    {
        long kilobytes = 0;
        var isOfFile = false;
        foreach (var line in File.ReadLines("/proc/self/smaps"))
        {
            if (line.Contains('-', StringComparison.Ordinal) && line.Contains(" r", StringComparison.Ordinal))
                isOfFile = line.EndsWith(path, StringComparison.Ordinal);
            else if (isOfFile && line.StartsWith("Rss:", StringComparison.Ordinal))
                kilobytes += long.Parse(line.AsSpan(4, line.Length - 4 - 3), NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture);
        }

        return kilobytes << 10;
    }
}
