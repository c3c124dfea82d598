using Generated.Checkpoints;
using Generated.Checkpoints.Writing;
using TorchSharp;

namespace Runtime.Tests.Checkpoints;

public sealed class TensorBridgeTests
{
    [Fact]
    public void Load_Half_EqualsTheSingleRoundedByTorch()
    {
        using var single = Checkpoint.Open(Files.Fixture("llama"));
        using var half = Checkpoint.Open(Files.Fixture("llama-fp16"));
        using var brain = Checkpoint.Open(Files.Fixture("llama-bf16-sharded"));
        foreach (var name in single.Tensors.Keys)
        {
            using var expected = single.Load(name);
            foreach (var source in new[] { half, brain })
            {
                using var loaded = source.Load(name);
                using var rounded = expected.to_type(loaded.dtype);
                Assert.True(Same(rounded, loaded), name);
                using var converted = source.Load(name, dtype: torch.float32);
                using var widened = loaded.to_type(torch.float32);
                Assert.True(Same(widened, converted), name);
            }
        }
    }

    [Fact]
    public void Load_ColumnMajor_EqualsTheRecordedValues()
    {
        using var expected = Checkpoint.Open(Files.Fixture("paddle-encodings", "expected.safetensors"));
        using var fortran = Checkpoint.Open(Files.Fixture("paddle-encodings", "converted_fortran_notable.pdparams"));
        foreach (var name in fortran.Tensors.Keys)
        {
            using var e = expected.Load(name);
            using var a = fortran.Load(name);
            Assert.Equal(e.shape, a.shape);
            Assert.True(Same(e, a), name);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Load_Part_EqualsThePartOfTheWhole(int axis)
    {
        using var file = Checkpoint.Open(Files.Fixture("llama"));
        const string Name = "model.layers.1.mlp.down_proj.weight";
        using var whole = file.Load(Name);
        for (var rank = 0; rank < 4; rank++)
        {
            var slice = TensorSlice.Part(file.Info(Name), axis, rank, 4);
            using var expected = whole.narrow(axis, slice.Start[axis], slice.Count[axis]);
            using var direct = file.Load(Name, slice);
            using var converted = file.Load(Name, slice, torch.float64);
            using var widened = expected.to_type(torch.float64);
            Assert.True(Same(expected, direct));
            Assert.True(Same(widened, converted));
        }
    }

    [Fact]
    public void LoadInto_StridedParameter_FillsIt()
    {
        using var file = Checkpoint.Open(Files.Fixture("llama"));
        const string Name = "model.layers.0.mlp.up_proj.weight";
        using var expected = file.Load(Name);
        using var storage = torch.zeros(64, 160, torch.bfloat16);
        using var view = storage.t();
        file.LoadInto(Name, view);
        using var rounded = expected.to_type(torch.bfloat16);
        Assert.True(Same(rounded, view));

        using var parameter = new TorchSharp.Modules.Parameter(torch.zeros(160, 64));
        file.LoadInto(Name, parameter);
        Assert.True(Same(expected, parameter));
        Assert.True(parameter.requires_grad);
    }

    [Fact]
    public void LoadInto_AnotherShape_IsRefusedByName()
    {
        using var file = Checkpoint.Open(Files.Fixture("llama"));
        using var tensor = torch.zeros(65);
        var error = Assert.Throws<InvalidInputException>(() => file.LoadInto("model.norm.weight", tensor));
        Assert.Contains("'model.norm.weight' F32 [64]", error.Message, StringComparison.Ordinal);
        Assert.Contains("[65]", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Append_EveryDTypeStridedAndScalar_ReadsBack()
    {
        using var folder = Files.Temporary();
        var tensors = new Dictionary<string, torch.Tensor>();
        foreach (var type in new[] { torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.@bool })
        {
            tensors[$"{type}"] = torch.arange(24).reshape(4, 6).to_type(type);
            tensors[$"{type}.t"] = tensors[$"{type}"].t();
        }

        tensors["scalar"] = torch.tensor(3.5f);
        tensors["empty"] = torch.zeros(0, 3);
        tensors["gradient"] = torch.ones(3, requires_grad: true);
        using (var writer = CheckpointWriter.Create(folder.Path, tensors.Select(tensor => tensor.Value.Describe(tensor.Key))))
        {
            foreach (var (name, tensor) in tensors)
                writer.Append(name, tensor);
            writer.Complete();
        }

        using var file = Checkpoint.Open(folder.Path);
        foreach (var (name, tensor) in tensors)
        {
            using var loaded = file.Load(name);
            Assert.Equal(tensor.dtype, loaded.dtype);
            Assert.True(Same(tensor, loaded), name);
            tensor.Dispose();
        }
    }

    [Fact]
    public void Load_DTypeThatTorchLacks_IsRefused()
    {
        using var folder = Files.Temporary();
        using var source = new MemorySource().Add("x", DType.F8E4M3, 4);
        CheckpointWriter.Write(source, folder.Path);
        using var file = Checkpoint.Open(folder.Path);
        Assert.Contains("F8_E4M3", Assert.Throws<InvalidInputException>(() => file.Load("x")).Message, StringComparison.Ordinal);
    }

    private static bool Same(torch.Tensor expected, torch.Tensor actual)
    {
        if (expected.dtype != actual.dtype || !expected.shape.SequenceEqual(actual.shape))
            return false;
        using var equal = torch.eq(expected, actual);
        using var all = equal.all();
        return all.item<bool>();
    }
}
