using System.Runtime.Versioning;
using System.Security.Cryptography;
using Generated.Native;

namespace Runtime.Tests.Native;

[SupportedOSPlatform("linux")]
public sealed class LibraryCopiesTests : IDisposable
{
    private static readonly string Library = LibraryFolders.Find(LibraryFolders.OfApplication(), LibTorch.LibraryName)!;
    private readonly string folder = Directory.CreateTempSubdirectory("generated-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void RelaxedCopy_DiffersInOneFlag_AndTheOriginalStaysAsItIs()
    {
        var before = SHA256.HashData(File.ReadAllBytes(Library));
        var original = File.ReadAllBytes(Library);
        var relaxed = LibraryCopies.Relax(Library);
        var changed = Assert.Single(Enumerable.Range(0, original.Length), i => original[i] != relaxed[i]);
        Assert.Equal(ElfFile.VersionFlagWeak, relaxed[changed]);
        Assert.Equal(before, SHA256.HashData(File.ReadAllBytes(Library)));
        using var elf = ElfFile.Open(Library);
        Assert.Equal(0, elf.FindVersionNeed(LibraryCopies.RemovableVersion)!.Value.Flags);
    }

    [Fact]
    public void LibraryWithoutTheRequirement_IsNotCopied()
    {
        var other = LibraryFolders.Find(LibraryFolders.OfApplication(), "libc10.so")!;
        var e = Assert.Throws<NativeLibraryException>(() => LibraryCopies.Relax(other));
        Assert.Contains("does not ask for GLIBCXX_3.4.32", e.Message);
    }

    [Fact]
    public void Copy_IsUsedOnlyWhereTheSystemNeedsIt()
    {
        LibTorch.EnsureLoaded();
        var system = File.ReadLines("/proc/self/maps").Select(l => l[(l.LastIndexOf(' ') + 1)..]).First(p => p.Contains("libstdc++.so", StringComparison.Ordinal));
        var hasVersion = File.ReadAllBytes(system).AsSpan().IndexOf("GLIBCXX_3.4.32\0"u8) >= 0;
        Assert.Equal(hasVersion, LibTorch.LibraryPath == Library);
    }

    [Fact]
    public void OnlyTheOneRefusal_CallsForACopy()
    {
        Assert.True(LibTorchLoading.NeedsCopy("/lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by /x/libLibTorchSharp.so)"));
        Assert.False(LibTorchLoading.NeedsCopy("/lib/libstdc++.so.6: version `GLIBCXX_3.4.33' not found (required by /x/libLibTorchSharp.so)"));
        Assert.False(LibTorchLoading.NeedsCopy("libgomp.so.1: cannot open shared object file: No such file or directory"));
    }

    [Fact]
    public void ManyWriters_LeaveOneWholeFile()
    {
        var content = new byte[200_000];
        Random.Shared.NextBytes(content);
        var paths = new string[24];
        Parallel.For(0, paths.Length, new ParallelOptions { MaxDegreeOfParallelism = paths.Length }, i => paths[i] = LibraryCopies.Store(folder, "lib.so", content));
        Assert.Equal([paths[0]], paths.Distinct());
        Assert.Equal([paths[0]], Directory.GetFiles(folder));
        Assert.Equal(content, File.ReadAllBytes(paths[0]));
    }

    [Fact]
    public void DamagedCopy_IsReplaced()
    {
        byte[] content = [1, 2, 3, 4];
        var path = LibraryCopies.Store(folder, "lib.so", content);
        File.WriteAllBytes(path, [1, 2, 3, 5]);
        Assert.Equal(path, LibraryCopies.Store(folder, "lib.so", content));
        Assert.Equal(content, File.ReadAllBytes(path));
    }

    [Fact]
    public void OtherContent_GetsAnotherName() =>
        Assert.NotEqual(LibraryCopies.Store(folder, "lib.so", [1]), LibraryCopies.Store(folder, "lib.so", [2]));

    [Fact]
    public void FolderOthersCanWrite_IsMadePrivate()
    {
        File.SetUnixFileMode(folder, (UnixFileMode)0b111_111_111);
        LibraryCopies.Store(folder, "lib.so", [1]);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(folder));
    }

    [SkippableFact]
    public void FolderOfAnotherUser_IsRefused()
    {
        // Only root may give a folder away; others have root's.
        var foreign = "/";
        if (Environment.IsPrivilegedProcess)
        {
            foreign = folder;
            using var chown = System.Diagnostics.Process.Start("chown", ["65534", folder]);
            chown.WaitForExit();
            Skip.If(chown.ExitCode != 0, "root may not change owners here");
        }
        var e = Assert.Throws<NativeLibraryException>(() => LibraryCopies.Store(foreign, "lib.so", [1]));
        Assert.Contains("belongs to another user", e.Message);
    }

    [Fact]
    public void Link_IsNotFollowedAsCopy()
    {
        byte[] content = [7, 7];
        var path = LibraryCopies.Store(folder, "lib.so", content);
        var elsewhere = Path.Combine(folder, "elsewhere");
        File.Move(path, elsewhere);
        File.CreateSymbolicLink(path, elsewhere);
        LibraryCopies.Store(folder, "lib.so", content);
        Assert.Null(new FileInfo(path).LinkTarget);
    }

    [Fact]
    public void RacingProcesses_AllLoadTheSameLibrary()
    {
        var processes = Enumerable.Range(0, 6).Select(_ => RankProcess.Start(["library"], ("GENERATED_CACHE", folder))).ToArray();
        var results = processes.Select(p => RankProcess.Finish(p)).ToArray();
        Assert.All(results, r => Assert.True(r.ExitCode == 0, r.Errors));
        var path = Assert.Single(results.Select(r => r.Output.Split('\n')[0]).Distinct());
        Assert.True(File.Exists(path));
        if (path.StartsWith(folder, StringComparison.Ordinal))
            Assert.Equal([path], Directory.GetFiles(Path.Combine(folder, "native")));
    }
}
