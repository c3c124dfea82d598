using Generated.Native;
using TorchSharp;

namespace Runtime.Tests.Native;

public class LibTorchTests
{
    [Fact]
    public void FirstNativeCall_LoadsTheLibrary()
    {
        using var ones = torch.ones(3);
        using var sum = ones.sum();
        Assert.Equal(3f, sum.item<float>());
    }

    [Fact]
    public void EnsureLoaded_Twice_IsFine()
    {
        LibTorch.EnsureLoaded();
        LibTorch.EnsureLoaded();
        Assert.True(File.Exists(LibTorch.LibraryPath));
        Assert.True(File.Exists(Path.Combine(LibTorch.Folder!, "libtorch_cpu.so")));
    }
}
