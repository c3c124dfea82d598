using Generated.Native;

namespace Runtime.Tests.Native;

/// <summary>What the user is told when libtorch cannot be loaded.</summary>
public sealed class LibTorchFailureTests : IDisposable
{
    private static readonly string Library = LibraryFolders.Find(LibraryFolders.OfApplication(), LibTorch.LibraryName)!;
    private readonly string folder = Directory.CreateTempSubdirectory("generated-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string Message() => Assert.Throws<NativeLibraryException>(() => LibTorchLoading.Load([folder], null)).Message;

    [Fact]
    public void NoTorchSharpLibrary_IsNamed() => Assert.Contains($"libLibTorchSharp.so is not in {folder}", Message());

    [Fact]
    public void NoLibtorch_TellsBothWaysOut()
    {
        File.Copy(Library, Path.Combine(folder, "libLibTorchSharp.so"));
        var message = Message();
        Assert.Contains($"libtorch_cpu.so is not in {folder}", message);
        Assert.Contains("TorchBackend=cpu", message);
        Assert.Contains("GENERATED_LIBTORCH", message);
    }

    [Fact]
    public void LibtorchThatIsNoLibrary_IsNamed()
    {
        File.Copy(Library, Path.Combine(folder, "libLibTorchSharp.so"));
        File.WriteAllText(Path.Combine(folder, "libtorch_cpu.so"), new string('x', 100));
        Assert.Contains($"{folder}/libtorch_cpu.so does not begin with the ELF signature", Message());
    }

    [SkippableFact]
    public void MissingDependency_NamesBothFiles()
    {
        Compile("int inner(void) { return 1; }", "libgone.so");
        Compile("int inner(void); int outer(void) { return inner(); }", "libouter.so", "-L.", "-l:libgone.so");
        File.Delete(Path.Combine(folder, "libgone.so"));
        var path = Path.Combine(folder, "libouter.so");
        var e = Assert.Throws<NativeLibraryException>(() => new LibraryLoader([folder]).Load(path));
        Assert.Contains($"{path} needs libgone.so, which is not on this system", e.Message);
    }

    [SkippableFact]
    public void MissingSymbol_IsNamed()
    {
        Compile("int from_a_newer_libtorch(void); int f(void) { return from_a_newer_libtorch(); }", "libold.so");
        var path = Path.Combine(folder, "libold.so");
        var e = LibraryLoader.Explain(path, LibraryLoader.TryLoad(path)!);
        Assert.Contains($"{path} does not fit", e.Message);
        Assert.Contains("the symbol from_a_newer_libtorch is missing", e.Message);
    }

    [SkippableFact]
    public void Dependencies_AreLoadedByFullPath_WithoutASearchPath()
    {
        Directory.CreateDirectory(Path.Combine(folder, "nvidia"));
        Compile("int deep(void) { return 5; }", "nvidia/libdeep.so", "-Wl,-soname,libdeep.so");
        Compile("int deep(void); int middle(void) { return deep(); }", "libmiddle.so", "-Wl,-soname,libmiddle.so", "-Lnvidia", "-l:libdeep.so");
        Compile("int middle(void); int top(void) { return middle(); }", "libtop.so", "-L.", "-l:libmiddle.so", "-Wl,--unresolved-symbols=ignore-all");
        var loader = new LibraryLoader([folder, Path.Combine(folder, "nvidia")]);
        loader.Load(Path.Combine(folder, "libtop.so"));
        Assert.Equal(["nvidia/libdeep.so", "libmiddle.so", "libtop.so"], loader.Loaded.Select(p => Path.GetRelativePath(folder, p)));
    }

    [Fact]
    public void VersionOfTheSystemsLibrary_IsNamed()
    {
        var e = LibraryLoader.Explain("/app/libx.so", "/lib/libc.so.6: version `GLIBC_9.9' not found (required by /app/libx.so)");
        Assert.Equal("/app/libx.so needs version GLIBC_9.9 of /lib/libc.so.6, which this system's does not have; use a newer distribution or update that library.", e.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("torch")]
    [InlineData("torch/lib")]
    [InlineData("torch/lib/")]
    public void PyTorchFolder_IsFoundFromEachLevel(string given)
    {
        foreach (var name in new[] { "torch/lib", "nvidia/cudnn/lib", "nvidia/cu13/lib", "nvidia/empty" })
            Directory.CreateDirectory(Path.Combine(folder, name));
        File.WriteAllText(Path.Combine(folder, "torch/lib/libtorch_cpu.so"), "");
        var found = LibraryFolders.OfPyTorch(Path.Combine(folder, given)).Select(f => Path.GetRelativePath(folder, f));
        Assert.Equal(["torch/lib", "nvidia/cu13/lib", "nvidia/cudnn/lib"], found);
    }

    [Fact]
    public void PyTorchFolder_ThatIsNone_IsNamed()
    {
        Assert.Contains($"no libtorch_cpu.so in {folder}", Assert.Throws<NativeLibraryException>(() => LibraryFolders.OfPyTorch(folder)).Message);
        Assert.Contains("/nowhere, which is not a folder", Assert.Throws<NativeLibraryException>(() => LibraryFolders.OfPyTorch("/nowhere")).Message);
    }

    private void Compile(string code, string output, params string[] options) => CCompiler.Compile(folder, code, output, options);
}
