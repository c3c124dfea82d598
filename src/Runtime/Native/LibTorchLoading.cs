namespace Generated.Native;

/// <summary>The libraries that were loaded.</summary>
/// <param name="Handle">Handle of TorchSharp's library.</param>
/// <param name="Path">Its file: the application's or a copy.</param>
/// <param name="Folder">Folder of libtorch_cpu.so.</param>
/// <param name="Folders">Folders that libtorch and its dependencies come from.</param>
internal sealed record LoadedLibTorch(nint Handle, string Path, string Folder, IReadOnlyList<string> Folders);

/// <summary>The order of loading: libtorch with all it needs, then TorchSharp's library, as it is or as a copy that fits.</summary>
internal static class LibTorchLoading
{
    // libtorch.so only names the others; libtorch_cuda.so registers the CUDA kernels when it is loaded.
    private static readonly string[] Roots = ["libtorch_cpu.so", "libtorch_cuda.so", "libtorch.so"];

    /// <param name="application">Folders of the application; TorchSharp's library is always taken from here.</param>
    /// <param name="pyTorch">Folders of a PyTorch installation to take libtorch from, or null for the application's.</param>
    internal static LoadedLibTorch Load(IReadOnlyList<string> application, IReadOnlyList<string>? pyTorch)
    {
        var library = LibraryFolders.Find(application, LibTorch.LibraryName)
            ?? throw new NativeLibraryException($"{LibTorch.LibraryName} is not in {string.Join(", ", application)}; it comes with the TorchSharp package: restore and build, or publish with -r linux-x64.");
        if (pyTorch is not null && LibraryFolders.Find(application, Roots[0]) is { } bundled && !pyTorch.Contains(Path.GetDirectoryName(bundled)!))
            throw new NativeLibraryException($"{LibTorch.FolderVariable} cannot be used by this application because it carries its own libtorch, {bundled}, which TorchSharp would load as well; build it with -p:TorchBackend=none, or unset the variable.");
        var folders = pyTorch ?? application;
        var cpu = LibraryFolders.Find(folders, Roots[0])
            ?? throw new NativeLibraryException($"{Roots[0]} is not in {string.Join(", ", folders)}; build with -p:TorchBackend=cpu (or reference TorchSharp-cpu), or set {LibTorch.FolderVariable} to a PyTorch installation.");
        var loader = new LibraryLoader(folders);
        foreach (var root in Roots)
            if (LibraryFolders.Find(folders, root) is { } path && !loader.Loaded.Contains(path))
                loader.Load(path);
        var (handle, file) = LoadTorchSharp(library);
        return new(handle, file, Path.GetDirectoryName(cpu)!, folders);
    }

    private static (nint Handle, string Path) LoadTorchSharp(string original)
    {
        using (ElfFile.Open(original))
        {
            // Only to say what is wrong with a damaged file before the system loader does in fewer words.
        }
        if (LibraryLoader.TryLoad(original) is not { } reason)
            return (System.Runtime.InteropServices.NativeLibrary.Load(original), original);
        if (!NeedsCopy(reason))
            throw LibraryLoader.Explain(original, reason);
        var content = LibraryCopies.Relax(original);
        var failures = new List<string>();
        foreach (var folder in LibraryCopies.Folders())
        {
            try
            {
                var copy = LibraryCopies.Store(folder, LibTorch.LibraryName, content);
                if (LibraryLoader.TryLoad(copy) is not { } refused)
                    return (System.Runtime.InteropServices.NativeLibrary.Load(copy), copy);
                failures.Add(LibraryLoader.Explain(copy, refused).Message);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or NativeLibraryException)
            {
                failures.Add(e.Message);
            }
        }
        throw new NativeLibraryException(
            $"{original} needs {LibraryCopies.RemovableVersion} of libstdc++ (gcc 13), and a copy that does without could not be used: {string.Join(" ", failures)} Set GENERATED_CACHE to a folder that can be written and executed from.");
    }

    /// <summary>Whether the system loader refused the library for the one version that a copy can do without.</summary>
    internal static bool NeedsCopy(string reason) => reason.Contains($"version `{LibraryCopies.RemovableVersion}' not found", StringComparison.Ordinal);
}
