using Generated.Quant.Kernels.Cuda;

namespace Quant.Tests.Kernels;

/// <summary>Products are divided so that no part of a device waits for long, and what is asked of it exists.</summary>
public sealed class WgmmaPlanTests
{
    [Theory]
    [InlineData(512, 4096, 96, 256, 2)] // 192 tiles: two rounds of whole ones, or three of half ones
    [InlineData(512, 4096, 172, 256, 1)]
    [InlineData(512, 11008, 32, 256, 2)] // 64 tiles would leave half of the device idle
    [InlineData(2048, 4096, 96, 256, 1)]
    [InlineData(16, 4096, 96, 64, 1)]
    [InlineData(100, 4096, 172, 128, 2)]
    public void Plans_KeepTheDeviceBusy(int rows, int columns, int tiles, int expectedRows, int split) =>
        Assert.Equal(new WgmmaPlan(expectedRows, split), WgmmaPlan.For(rows, columns, tiles, multiprocessors: 132));

    [Theory]
    [InlineData(4)]
    [InlineData(8)]
    public void Plans_FitIntoSharedMemory(int bits)
    {
        Assert.All(WgmmaPlan.All, plan =>
        {
            Assert.InRange(plan.SharedBytes(bits), 1, 227 << 10);
            Assert.InRange(plan.Stages(bits), 4, 12);
        });
    }
}
