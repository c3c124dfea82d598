using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Generated.Checkpoints;
using Generated.Checkpoints.Views;
using Generated.Checkpoints.Writing;
using TorchSharp;

namespace Runtime.Tests.Checkpoints;

/// <summary>Views compared with the same operations of torch.</summary>
public sealed class TensorViewTests
{
    [Property(MaxTest = 200)]
    public Property Read_RandomOperations_EqualsTorch() => Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
    {
        var random = new Random(seed);
        using var scope = torch.NewDisposeScope();
        var (shape, dtype) = (RandomShape(random), random.Next(2) == 0 ? DType.F32 : DType.I16);
        using var memory = new MemorySource().Add("a", dtype, shape).Add("b", dtype, shape);
        using var folder = Files.Temporary();
        CheckpointWriter.Write(memory, folder.Path);
        using var file = Checkpoint.Open(folder.Path);
        ITensorSource source = random.Next(2) == 0 ? file : memory;
        var (view, expected) = (TensorView.Of(source, "a"), source.Load("a"));
        var (other, otherExpected) = (TensorView.Of(source, "b"), source.Load("b"));
        for (var steps = random.Next(1, 6); steps > 0; steps--)
            (view, expected, other, otherExpected) = Step(random, view, expected, other, otherExpected);
        Assert.Equal(expected.shape, view.Info.Shape);
        var slice = RandomSlice(random, view.Info);
        using var result = new ViewSource("views", [view.Rename("x")]);
        var actual = result.Load("x", slice);
        for (var axis = 0; axis < expected.dim(); axis++)
            expected = expected.narrow(axis, slice.Start[axis], slice.Count[axis]);
        return Same(expected, actual);
    });

    [Fact]
    public void Convert_EveryPairOfFloats_EqualsTorch()
    {
        using var folder = Files.Temporary();
        float[] special = [0, -0f, 1, -1, float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, float.MinValue, float.Epsilon, 65504, 65520, 1e-8f, 6e-8f, 3.3895314e38f, 1.00390625f, 1.01171875f];
        var random = new Random(1);
        var values = special.Concat(Enumerable.Range(0, 9000).Select(_ => BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue)))).ToArray();
        DType[] dtypes = [DType.F64, DType.F32, DType.F16, DType.BF16];
        using var single = torch.tensor(values);
        using (var writer = CheckpointWriter.Create(folder.Path, dtypes.Select(dtype => new TensorInfo($"{dtype}", dtype, values.Length))))
        {
            foreach (var dtype in dtypes)
            {
                using var stored = single.to_type(dtype.ToScalarType());
                writer.Append($"{dtype}", stored);
            }

            writer.Complete();
        }

        using var file = Checkpoint.Open(folder.Path);
        foreach (var from in dtypes)
        {
            foreach (var to in dtypes)
            {
                using var views = new ViewSource("views", [TensorView.Of(file, $"{from}").Convert(to)]);
                using var actual = views.Load($"{from}");
                using var expected = file.Load($"{from}", dtype: to.ToScalarType());
                Assert.True(Same(expected, actual), $"{from} to {to}");
            }
        }
    }

    [Fact]
    public void Convert_ToOrFromIntegers_IsLeftOrRefused()
    {
        using var source = new MemorySource().Add("i", DType.I64, 3).Add("f", DType.F32, 3);
        Assert.Equal(DType.I64, TensorView.Of(source, "i").Convert(DType.BF16).Info.DType);
        Assert.Throws<InvalidInputException>(() => TensorView.Of(source, "f").Convert(DType.I8));
    }

    [Fact]
    public void Write_HuggingFaceThroughViews_GivesPaddlesBytes()
    {
        using var folder = Files.Temporary();
        using var huggingFace = Checkpoint.Open(Files.Fixture("llama"));
        using var paddle = Checkpoint.Open(Files.Fixture("llama.paddle", "model_state.pdparams"));
        var views = paddle.Tensors.Keys.Select(name =>
        {
            var view = TensorView.Of(huggingFace, name.Replace("llama.", "model.", StringComparison.Ordinal));
            return (name.Contains("embed", StringComparison.Ordinal) ? view : view.Transpose()).Rename(name);
        });
        using var converted = new ViewSource("llama as Paddle", views);
        CheckpointWriter.Write(converted, folder.Path, new CheckpointWriteOptions { Format = CheckpointFormat.PaddlePickle, ParameterNames = paddle.ParameterNames });
        Assert.Equal(File.ReadAllBytes(Files.Fixture("llama.paddle", "model_state.pdparams")), File.ReadAllBytes(folder["model_state.pdparams"]));
    }

    [Theory]
    [InlineData(0, new long[0])]
    [InlineData(1, new long[] { 8, 4, 4 })]
    [InlineData(1, new long[] { 8, 8 })]
    public void Split_PartsOfRanks_HoldTheirSectionsAndMergeBack(int axis, long[] sections)
    {
        using var scope = torch.NewDisposeScope();
        using var source = new MemorySource().Add("w", DType.F32, 12, 16);
        var whole = TensorView.Of(source, "w");
        var split = new TensorSplit(axis, sections);
        var expected = source.Load("w");
        var parts = Enumerable.Range(0, 4).Select(rank => split.Part(whole, rank, 4)).ToList();
        for (var rank = 0; rank < 4; rank++)
        {
            var pieces = sections.Length == 0 ? [expected] : expected.split(sections, axis);
            Assert.True(Same(torch.cat([.. pieces.Select(piece => piece.chunk(4, axis)[rank])], axis), Read(parts[rank])));
        }

        Assert.True(Same(expected, Read(split.Merge(parts))));
    }

    [Fact]
    public void Operations_ThatDoNotFit_AreRefusedByName()
    {
        using var source = new MemorySource().Add("w", DType.F32, 4, 6).Add("v", DType.F16, 4, 6).Add("cube", DType.F32, 2, 2, 2);
        var w = TensorView.Of(source, "w");
        Action[] actions =
        [
            () => w.Narrow(0, 3, 2), () => w.Narrow(2, 0, 1), () => w.Part(1, 0, 4), () => w.Unflatten(1, 4, 2), () => w.Flatten(1, 2),
            () => w.Permute(0, 0), () => w.Permute(0), () => TensorView.Concat(0, w, TensorView.Of(source, "v")), () => TensorView.Concat(0, w, w.Narrow(1, 0, 3)),
            () => TensorSplit.Equal(w.Info, 1, 4), () => new TensorSplit(1, 3, 2).Part(w, 0, 1), () => new TensorSplit(1, 4, 4).Merge(w, w),
        ];
        Assert.All(actions, action => Assert.Contains("'w'", Assert.Throws<InvalidInputException>(action).Message, StringComparison.Ordinal));
        Assert.Throws<InvalidInputException>(() => TensorView.Of(source, "cube").Transpose());
        Assert.Throws<InvalidInputException>(() => TensorView.Of(source, "nope"));
        Assert.Throws<InvalidInputException>(() => new ViewSource("views", [w, w]));
        Assert.Throws<ArgumentException>(() => w.Read(TensorSlice.All(w.Info), new byte[4]));
    }

    private static (TensorView, torch.Tensor, TensorView, torch.Tensor) Step(
        Random random, TensorView view, torch.Tensor expected, TensorView other, torch.Tensor otherExpected)
    {
        var rank = (int)expected.dim();
        var axis = random.Next(rank);
        var size = expected.shape[axis];
        switch (random.Next(5))
        {
            case 0:
                int[] axes = [.. Enumerable.Range(0, rank).OrderBy(_ => random.Next())];
                long[] order = [.. axes.Select(a => (long)a)];
                return (view.Permute(axes), expected.permute(order), other.Permute(axes), otherExpected.permute(order));
            case 1:
                var first = random.NextInt64(size + 1);
                var count = random.NextInt64(size - first + 1);
                return (view.Narrow(axis, first, count), expected.narrow(axis, first, count), other.Narrow(axis, first, count), otherExpected.narrow(axis, first, count));
            case 2:
                return (TensorView.Concat(axis, view, other, view), torch.cat([expected, otherExpected, expected], axis), TensorView.Concat(axis, other, other, other), torch.cat([otherExpected, otherExpected, otherExpected], axis));
            case 3 when size > 0:
                var divisors = Enumerable.Range(1, (int)size).Where(d => size % d == 0).ToArray();
                long inner = divisors[random.Next(divisors.Length)];
                return (view.Unflatten(axis, size / inner, inner), expected.unflatten(axis, [size / inner, inner]), other.Unflatten(axis, size / inner, inner), otherExpected.unflatten(axis, [size / inner, inner]));
            case 4:
                var joined = random.Next(1, rank - axis + 1);
                return (view.Flatten(axis, joined), expected.flatten(axis, axis + joined - 1), other.Flatten(axis, joined), otherExpected.flatten(axis, axis + joined - 1));
            default:
                return (view, expected, other, otherExpected);
        }
    }

    private static long[] RandomShape(Random random) => [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => (long)random.Next(1, random.Next(2) == 0 ? 7 : 30))];

    private static TensorSlice RandomSlice(Random random, TensorInfo info)
    {
        var slice = TensorSlice.All(info);
        for (var axis = 0; axis < info.Shape.Count; axis++)
        {
            var first = random.NextInt64(info.Shape[axis] + 1);
            slice = slice.Narrow(axis, first, random.NextInt64(info.Shape[axis] - first + 1));
        }

        return slice;
    }

    private static torch.Tensor Read(TensorView view)
    {
        using var source = new ViewSource("views", [view.Rename("x")]);
        return source.Load("x");
    }

    private static bool Same(torch.Tensor expected, torch.Tensor actual)
    {
        if (expected.dtype != actual.dtype || !expected.shape.SequenceEqual(actual.shape))
            return false;
        using var scope = torch.NewDisposeScope();
        return torch.eq(expected, actual).logical_or(expected.isnan().logical_and(actual.isnan())).all().item<bool>();
    }
}
