using System.Runtime.InteropServices;
using TorchSharp;

namespace Generated.Native;

/// <summary>Where native libraries are looked for, and which of those folders belong to a PyTorch installation.</summary>
internal static class LibraryFolders
{
    /// <summary>
    /// Folders of the application: those the host was told of (deps.json), the program's own (published with
    /// <c>-r linux-x64</c>), its <c>runtimes</c>, and the package cache when TorchSharp.dll is used from there.
    /// </summary>
    internal static IReadOnlyList<string> OfApplication()
    {
        var rid = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "linux-arm64" : "linux-x64";
        var folders = new List<string>();
        if (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") is string probing)
            folders.AddRange(probing.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries));
        folders.Add(AppContext.BaseDirectory);
        folders.Add(Path.Combine(AppContext.BaseDirectory, "runtimes", rid, "native"));
        if (Path.GetDirectoryName(TorchSharpFile()) is { Length: > 0 } managed)
        {
            folders.Add(managed);
            folders.Add(Path.Combine(managed, "runtimes", rid, "native"));
            folders.Add(Path.GetFullPath(Path.Combine(managed, "..", "..", "runtimes", rid, "native")));
        }
        return [.. folders.Select(Path.TrimEndingDirectorySeparator).Distinct().Where(Directory.Exists)];
    }

    /// <summary>
    /// Folders of a PyTorch installation: torch/lib first, then those of the nvidia wheels beside it.
    /// </summary>
    /// <param name="given">site-packages, site-packages/torch, torch/lib, or the folder of an unpacked libtorch archive.</param>
    /// <exception cref="NativeLibraryException">There is no libtorch_cpu.so; the message lists where it was looked for.</exception>
    internal static IReadOnlyList<string> OfPyTorch(string given)
    {
        var root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(given));
        if (!Directory.Exists(root))
            throw new NativeLibraryException($"{LibTorch.FolderVariable} names {root}, which is not a folder; set it to a PyTorch installation's site-packages, torch or torch/lib folder, or unset it.");
        string[] candidates = [root, Path.Combine(root, "lib"), Path.Combine(root, "torch", "lib"), Path.Combine(root, "libtorch", "lib")];
        var lib = candidates.FirstOrDefault(f => File.Exists(Path.Combine(f, "libtorch_cpu.so")))
            ?? throw new NativeLibraryException($"{LibTorch.FolderVariable}: no libtorch_cpu.so in {string.Join(", ", candidates)}; set it to a PyTorch installation's site-packages, torch or torch/lib folder.");
        var folders = new List<string> { lib };
        var sitePackages = Path.GetDirectoryName(Path.GetDirectoryName(lib));
        if (sitePackages is not null && Directory.Exists(Path.Combine(sitePackages, "nvidia")))
            folders.AddRange(Directory.EnumerateDirectories(Path.Combine(sitePackages, "nvidia"))
                .Select(d => Path.Combine(d, "lib")).Where(Directory.Exists).Order(StringComparer.Ordinal));
        return folders;
    }

    /// <summary>Full path of a library in the first folder that has it, or null.</summary>
    internal static string? Find(IEnumerable<string> folders, string name) =>
        folders.Select(f => Path.Combine(f, name)).FirstOrDefault(File.Exists);

    // Empty in a single-file application, whose natives lie in the probing folders.
    [System.Diagnostics.CodeAnalysis.UnconditionalSuppressMessage("SingleFile", "IL3000", Justification = "An empty location is handled.")]
    private static string TorchSharpFile() => typeof(torch).Assembly.Location;
}
