using Generated;
using Generated.Checkpoints;
using Generated.Checkpoints.Safetensors;

namespace Runtime.Tests.Checkpoints;

/// <summary>Every encoding of paddle.save against the recorded values.</summary>
public sealed class PaddleFileTests
{
    [Theory]
    [InlineData("plain.pdparams", "")]
    [InlineData("plain.numpy2.pdparams", "")]
    [InlineData("reduced.pdparams", "")]
    [InlineData("protocol2_sliced.pdparams", "")]
    [InlineData("converted_fortran_notable.pdparams", "")]
    [InlineData("lodtensor.pdparams", "")]
    [InlineData("bf16_as_uint16.pdparams", "bf16.")]
    [InlineData("bf16_as_u16.safetensors", "bf16.")]
    public void Open_Encoding_HoldsTheRecordedValues(string file, string prefix)
    {
        using var expected = SafetensorsFile.Open(Files.Fixture("paddle-encodings", "expected.safetensors"));
        using var actual = Checkpoint.Open(Files.Fixture("paddle-encodings", file));
        Assert.Equal(CheckpointLayout.Paddle, actual.Layout);
        var names = expected.Tensors.Keys.Where(name => name.StartsWith("bf16.", StringComparison.Ordinal) == (prefix.Length > 0)).ToList();
        Assert.Equal(names.Select(name => name[prefix.Length..]).Order(StringComparer.Ordinal), actual.Tensors.Keys.Order(StringComparer.Ordinal));
        foreach (var name in names)
            Files.AssertSame(expected, name, actual, name[prefix.Length..]);
    }

    [Theory]
    [InlineData("plain.pdparams", "linear.weight", "linear_0.w_0")]
    [InlineData("reduced.pdparams", "linear.weight", "linear_0.w_0")]
    [InlineData("protocol2_sliced.pdparams", "embed.weight", "embedding_0.w_0")]
    public void Open_WithNameTable_GivesTheParameterNames(string file, string name, string parameterName)
    {
        using var checkpoint = Checkpoint.Open(Files.Fixture("paddle-encodings", file));
        Assert.Equal(parameterName, checkpoint.ParameterNames[name]);
        Assert.DoesNotContain("StructuredToParameterName@@", checkpoint.Tensors.Keys);
    }

    [Fact]
    public void Open_Nested_JoinsNamesAndKeepsTheRestAsMetadata()
    {
        using var expected = SafetensorsFile.Open(Files.Fixture("paddle-encodings", "expected.safetensors"));
        using var actual = Checkpoint.Open(Files.Fixture("paddle-encodings", "nested.pdparams"));
        foreach (var name in expected.Tensors.Keys.Where(name => actual.Tensors.ContainsKey("model." + name)))
            Files.AssertSame(expected, name, actual, "model." + name);
        Assert.Contains("model.embed.weight", actual.Tensors.Keys);
        var weight = Floats(expected.ReadBytes("linear.weight"));
        var moment = Floats(actual.ReadBytes("opt.linear_0.w_0_moment1_0"));
        Assert.Equal(weight.Select(value => 0.5f * value), moment);
        Assert.Equal("100", actual.Metadata["epoch"]);
        Assert.Equal("训练", actual.Metadata["note"]);
        Assert.Equal("0.001", actual.Metadata["opt.LR_Scheduler.last_lr"]);
        Assert.Equal("2.5", actual.Metadata["list.1"]);
    }

    [Fact]
    public void Open_SingleTensor_IsNamedByItsParameter()
    {
        using var expected = SafetensorsFile.Open(Files.Fixture("paddle-encodings", "expected.safetensors"));
        using var actual = Checkpoint.Open(Files.Fixture("paddle-encodings", "single.pdtensor"));
        Files.AssertSame(expected, "linear.weight", actual, Assert.Single(actual.Tensors.Keys));
        Assert.Equal("linear_0.w_0", Assert.Single(actual.Tensors.Keys));
    }

    [SkippableTheory]
    [InlineData("bloom")]
    [InlineData("chatglm")]
    [InlineData("chatglm2")]
    [InlineData("gpt")]
    [InlineData("llama")]
    [InlineData("opt")]
    [InlineData("qwen")]
    public void Open_ModelFile_EqualsItsSafetensors(string family)
    {
        using var expected = SafetensorsFile.Open(Find("model.safetensors"));
        foreach (var file in new[] { "model_state.pdparams", "model_state.reduced.pdparams" })
        {
            using var actual = Checkpoint.Open(Find(file));
            Files.AssertSame(expected, actual);
        }

        // The repository holds five of these models in all three files.
        string Find(string file)
        {
            var path = Files.Fixture(family + ".paddle", file);
            if (File.Exists(path))
                return path;
            Skip.If(Files.SharedFixtures is null, $"shared/fixtures/{family}.paddle, which has {file}, is not beside the repository (nor does GENERATED_SHARED name it).");
            return Path.Combine(Files.SharedFixtures!, family + ".paddle", file);
        }
    }

    [Fact]
    public void Read_SlicesOfEveryEncoding_EqualSlicesOfTheWhole()
    {
        foreach (var path in Directory.GetFiles(Files.Fixture("paddle-encodings")))
        {
            using var file = Checkpoint.Open(path);
            foreach (var (name, info) in file.Tensors.Where(tensor => tensor.Value.Shape.Count == 2))
            {
                var size = info.DType.Size();
                var whole = file.ReadBytes(name);
                var column = new byte[info.Shape[0] * size];
                file.Read(name, TensorSlice.Along(info, 1, 1, 1), column);
                for (var row = 0; row < info.Shape[0]; row++)
                    Assert.True(whole.AsSpan((int)((row * info.Shape[1]) + 1) * size, size).SequenceEqual(column.AsSpan(row * size, size)), $"{path} {name}");
                var last = new byte[info.Shape[1] * size];
                file.ReadRows(name, info.Shape[0] - 1, 1, last);
                Assert.Equal(whole[^last.Length..], last);
            }
        }
    }

    [Fact]
    public void Open_TensorParallelRanks_GivesOneSourcePerRank()
    {
        using var folder = Files.Temporary();
        for (var rank = 0; rank < 2; rank++)
            File.WriteAllBytes(folder[$"model_state.tp{rank:00}.pdparams"], OneArray("f4", [2], new byte[8], "w"));
        using (var checkpoint = Checkpoint.Open(folder.Path))
        {
            Assert.True(checkpoint.IsTensorParallel);
            Assert.Equal(CheckpointLayout.Paddle, checkpoint.Layout);
            Assert.All(checkpoint.Ranks, rank => Assert.Equal([2L], rank.Tensors["w"].Shape));
            Assert.Empty(checkpoint.Tensors);
            Assert.Contains("ranks", Assert.Throws<InvalidInputException>(() => checkpoint.Read("w", TensorSlice.All(checkpoint.Ranks[0].Info("w")), new byte[8])).Message, StringComparison.Ordinal);
        }

        File.WriteAllText(folder["config.json"], """{"tensor_parallel_degree":4}""");
        Assert.Contains("tp02", Assert.Throws<InvalidInputException>(() => Checkpoint.Open(folder.Path)).Message, StringComparison.Ordinal);
        File.Delete(folder["model_state.tp00.pdparams"]);
        Assert.Contains("tp00", Assert.Throws<InvalidInputException>(() => Checkpoint.Open(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("f4", 2, 12, "needs 8 bytes")]
    [InlineData("f4", -1, 4, "impossible shape")]
    [InlineData("f4", long.MaxValue, 4, "impossible shape")]
    [InlineData("c8", 1, 8, "'c8'")]
    [InlineData(">f4", 1, 4, "'>f4'")]
    [InlineData("O", 1, 4, "'O'")]
    public void Open_ArrayThatDoesNotFit_IsRefused(string dtype, long size, int bytes, string reason) =>
        AssertRefused(OneArray(dtype, [size], new byte[bytes], "w"), reason);

    [Fact]
    public void Open_Evaluation_IsRefused()
    {
        // Python would run this; the allowed form names one variable, 'data', and gives it an array.
        AssertRefused(new PickleBuilder().Global("builtins", "eval").Text("__import__('os').system('true')").Op(0x85).Op('R').Op('.').ToArray(), "never done");
        AssertRefused(new PickleBuilder().Global("builtins", "eval").Text("data").Op('}').Text("data").Int(1).Op('s').Op(0x86).Op('R').Op('.').ToArray(), "never done");
        AssertRefused(
            new PickleBuilder().Global("__builtin__", "eval").Text("data").Op('}').Text("data").Array("f4", [1], new byte[4]).Op('s')
                .Text("x").Int(1).Op('s').Op(0x86).Op('R').Op('.').ToArray(),
            "never done");
    }

    [Theory]
    [InlineData("os", "system")]
    [InlineData("builtins", "exec")]
    [InlineData("builtins", "getattr")]
    [InlineData("torch._utils", "_rebuild_tensor_v2")]
    [InlineData("numpy", "load")]
    public void Open_UnknownGlobal_IsRefusedByName(string module, string name) =>
        AssertRefused(new PickleBuilder().Global(module, name).Text("x").Op(0x85).Op('R').Op('.').ToArray(), $"{module}.{name}");

    [Fact]
    public void Open_Bombs_AreRefusedQuickly()
    {
        // Each level holds the one below 200 times: 200^8 values if they were walked.
        var bomb = new PickleBuilder().Op('}').Put(0);
        for (byte level = 1; level < 9; level++)
        {
            bomb.Op('}').Op('(');
            for (var i = 0; i < 200; i++)
                bomb.Text($"k{i}").Get((byte)(level - 1));
            bomb.Op('u').Put(level);
        }

        AssertRefused(bomb.Op('.').ToArray(), "more than");
        AssertRefused(new PickleBuilder().Op('}').Put(0).Text("x").Get(0).Op('s').Op('.').ToArray(), "deep");
        AssertRefused(new PickleBuilder().Op([.. Enumerable.Repeat((byte)'(', 1_000_000)]).Op('.').ToArray(), "nested too deeply");
        AssertRefused(new PickleBuilder().Op([.. Enumerable.Repeat((byte)')', 3_000_000)]).Op('.').ToArray(), "nested too deeply");
        AssertRefused(new PickleBuilder().Op([.. Enumerable.Repeat("N0"u8.ToArray(), 9_000_000).SelectMany(b => b)]).Op('.').ToArray(), "operations");
    }

    [Theory]
    [InlineData(new byte[] { 0x80, 2, (byte)'.' }, "stack")]
    [InlineData(new byte[] { 0x80, 2, (byte)'N' }, "truncated")]
    [InlineData(new byte[] { 0x80, 2, (byte)'h', 3, (byte)'.' }, "never stored")]
    [InlineData(new byte[] { 0x80, 2, (byte)'N', (byte)'u', (byte)'.' }, "mark")]
    [InlineData(new byte[] { 0x80, 2, (byte)'N', (byte)'N', (byte)'N', (byte)'s', (byte)'.' }, "not a dict")]
    [InlineData(new byte[] { 0x80, 2, (byte)'}', (byte)'(', (byte)'N', (byte)'u', (byte)'.' }, "without a value")]
    [InlineData(new byte[] { 0x80, 2, (byte)'N', (byte)'N', (byte)'a', (byte)'.' }, "not a list")]
    [InlineData(new byte[] { 0x80, 2, 0x8e, 255, 255, 255, 255, 255, 255, 255, 127, (byte)'.' }, "truncated")]
    [InlineData(new byte[] { 0x80, 2, 0x8e, 255, 255, 255, 255, 255, 255, 255, 255, (byte)'.' }, "truncated")]
    [InlineData(new byte[] { 0x80, 2, 0x8b, 255, 255, 255, 127, (byte)'.' }, "integer")]
    [InlineData(new byte[] { 0x80, 2, (byte)'N', (byte)')', (byte)'R', (byte)'.' }, "not a function")]
    [InlineData(new byte[] { 0x80, 2, (byte)'N', (byte)'N', (byte)'b', (byte)'.' }, "state")]
    [InlineData(new byte[] { 0x80, 2, (byte)'N', (byte)'Q', (byte)'.' }, "outside of itself")]
    [InlineData(new byte[] { 0x80, 2, 0x82, 1, (byte)'.' }, "0x82")]
    [InlineData(new byte[] { 0x80, 2, (byte)'S', (byte)'x', 10, (byte)'.' }, "protocol 0")]
    public void Open_DamagedPickle_IsRefusedWithAReason(byte[] bytes, string reason) => AssertRefused(bytes, reason);

    [Fact]
    public void Open_IncompleteSlices_AreRefused()
    {
        var whole = File.ReadAllBytes(Files.Fixture("paddle-encodings", "protocol2_sliced.pdparams"));
        AssertRefused(Replaced(whole, "OriginShape"u8, "OriginShapf"u8), "not described");
        AssertRefused(Replaced(whole, "slices"u8, "slicez"u8), "not described");
        AssertRefused(Sliced([4], "w@@.0", "w@@.1"), "is missing");
        AssertRefused(Sliced([3], "w@@.0"), "add up");
        using var folder = Files.Temporary();
        File.WriteAllBytes(folder["x.pdparams"], Sliced([1, 2], "w@@.0"));
        using var file = Checkpoint.Open(folder["x.pdparams"]);
        Assert.Equal([1L, 2L], file.Info("w").Shape);
    }

    private static byte[] OneArray(string dtype, long[] shape, byte[] data, string name) =>
        new PickleBuilder().Op('}').Text(name).Array(dtype, shape, data).Op('s').Op('.').ToArray();

    /// <summary>A parameter of which one slice of two elements is there.</summary>
    private static byte[] Sliced(long[] shape, params string[] names)
    {
        var pickle = new PickleBuilder().Op('}').Text("w@@.0").Array("f4", [2], new byte[8]).Op('s')
            .Text("UnpackBigParamInfor@@").Op('}').Text("w").Op('}').Text("OriginShape").Tuple(shape).Op('s').Text("slices").Op(']');
        foreach (var name in names)
            pickle.Text(name).Op('a');
        return pickle.Op('s').Op('s').Op('s').Op('.').ToArray();
    }

    /// <summary>Replaces the first occurrence only.</summary>
    private static byte[] Replaced(byte[] bytes, ReadOnlySpan<byte> from, ReadOnlySpan<byte> to)
    {
        var changed = (byte[])bytes.Clone();
        to.CopyTo(changed.AsSpan(changed.AsSpan().IndexOf(from)));
        return changed;
    }

    private static void AssertRefused(byte[] bytes, string reason)
    {
        using var folder = Files.Temporary();
        File.WriteAllBytes(folder["model_state.pdparams"], bytes);
        var error = Assert.Throws<InvalidInputException>(() => Checkpoint.Open(folder.Path));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.Contains(folder.Path, error.Message, StringComparison.Ordinal);
    }

    private static float[] Floats(byte[] bytes) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(bytes).ToArray();
}
