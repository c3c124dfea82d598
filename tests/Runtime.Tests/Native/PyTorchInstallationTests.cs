using Generated.Native;

namespace Runtime.Tests.Native;

/// <summary>An application without a libtorch of its own, as -p:TorchBackend=none builds it, and one with; beside a folder laid out as PyTorch's.</summary>
public sealed class PyTorchInstallationTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("generated-test-").FullName;
    private readonly string program;
    private readonly string sitePackages;

    public PyTorchInstallationTests()
    {
        var application = Directory.CreateDirectory(Path.Combine(folder, "app")).FullName;
        // Without a deps.json the host takes every assembly of the folder and knows of no native library.
        foreach (var file in Directory.GetFiles(AppContext.BaseDirectory, "*.dll").Append(Path.Combine(AppContext.BaseDirectory, "RankApp.runtimeconfig.json")))
            File.Copy(file, Path.Combine(application, Path.GetFileName(file)));
        var natives = Path.GetDirectoryName(LibraryFolders.Find(LibraryFolders.OfApplication(), LibTorch.LibraryName))!;
        File.Copy(Path.Combine(natives, LibTorch.LibraryName), Path.Combine(application, LibTorch.LibraryName));
        program = Path.Combine(application, "RankApp.dll");

        sitePackages = Path.Combine(folder, "site-packages");
        var lib = Directory.CreateDirectory(Path.Combine(sitePackages, "torch", "lib")).FullName;
        foreach (var file in Directory.GetFiles(natives).Where(f => Path.GetFileName(f) != LibTorch.LibraryName))
            File.CreateSymbolicLink(Path.Combine(lib, Path.GetFileName(file)), file);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("library")]
    [InlineData("use")]
    public void Application_WithoutLibtorch_UsesPyTorchs(string test)
    {
        var result = RankProcess.Finish(RankProcess.StartProgram(program, [test], ("GENERATED_LIBTORCH", sitePackages)));
        Assert.True(result.ExitCode == 0, result.Errors);
        Assert.Contains(test == "use" ? "3" : Path.Combine(sitePackages, "torch", "lib"), result.Output);
    }

    [Fact]
    public void Application_WithoutLibtorch_SaysHowToGetOne()
    {
        var result = RankProcess.Finish(RankProcess.StartProgram(program, ["library"]));
        Assert.Equal(2, result.ExitCode);
        Assert.StartsWith("libtorch_cpu.so is not in", result.Errors);

        // Through TorchSharp itself the reason arrives too, and TorchSharp's own misleading one does not.
        result = RankProcess.Finish(RankProcess.StartProgram(program, ["use"]));
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("libtorch_cpu.so is not in", result.Errors);
        Assert.DoesNotContain("doesn't contain a reference", result.Output + result.Errors);
        Assert.False(Directory.Exists(Path.Combine(folder, "app", "cpu")));
    }

    [Fact]
    public void Application_WithItsOwnLibtorch_RefusesASecond()
    {
        var result = RankProcess.Run(["library"], ("GENERATED_LIBTORCH", sitePackages));
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("carries its own libtorch", result.Errors);
        Assert.Contains("TorchBackend=none", result.Errors);
    }

    [Fact]
    public void FreedMemory_IsKeptUnlessSwitchedOff()
    {
        var kept = long.Parse(RankProcess.Run(["memory"]).Output, System.Globalization.CultureInfo.InvariantCulture);
        var standard = long.Parse(RankProcess.Run(["memory"], ("GENERATED_MALLOC", "default")).Output, System.Globalization.CultureInfo.InvariantCulture);
        Assert.True(kept > 48 << 20 && standard < 16 << 20, $"kept {kept >> 20} MB, and {standard >> 20} MB with glibc's defaults");
    }
}
