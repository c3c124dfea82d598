using Generated;
using Generated.Native;
using TorchSharp;

namespace Runtime.Tests.Native;

public class DevicesTests
{
    [Fact]
    public void Cpu_IsAlwaysThere() => Assert.Equal(DeviceType.CPU, Devices.Parse(" CPU ").type);

    [Theory]
    [InlineData("tpu")]
    [InlineData("cpu:1")]
    [InlineData("cuda:one")]
    [InlineData("cuda:0:1")]
    [InlineData("")]
    public void UnknownName_IsRefused(string name) =>
        Assert.Equal($"Device '{name}' is not known: use 'cpu', 'cuda' or 'cuda:N'.", Assert.Throws<InvalidInputException>(() => Devices.Parse(name)).Message);

    [SkippableFact]
    public void Cuda_WhereThereIsNone_TellsTheWayOut()
    {
        Skip.If(torch.cuda.is_available(), "this machine has CUDA");
        var e = Assert.Throws<InvalidInputException>(() => Devices.Parse("cuda"));
        Assert.Contains("Device 'cuda' is not available", e.Message);
        Assert.Contains("GENERATED_LIBTORCH", e.Message);
    }
}
