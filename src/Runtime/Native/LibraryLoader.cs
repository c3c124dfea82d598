using System.Runtime.InteropServices;

namespace Generated.Native;

/// <summary>
/// Loads libraries by full path, dependencies first, so that neither LD_LIBRARY_PATH nor a library's own search
/// path matters: the system loader takes a dependency that is already loaded under its name.
/// </summary>
/// <param name="folders">Where dependencies are looked for; those found in none of them are left to the system.</param>
internal sealed class LibraryLoader(IReadOnlyList<string> folders)
{
    private readonly HashSet<string> visited = new(StringComparer.Ordinal);

    /// <summary>Full paths of what was loaded, in order.</summary>
    internal List<string> Loaded { get; } = [];

    /// <summary>Loads a library after everything it needs from the folders.</summary>
    /// <returns>Its handle, never freed.</returns>
    internal nint Load(string path)
    {
        LoadDependencies(path);
        if (!NativeLibrary.TryLoad(path, out var handle))
            throw Explain(path, TryLoad(path) ?? "the system refused it");
        Loaded.Add(path);
        return handle;
    }

    /// <summary>Loads what a library needs from the folders, but not the library itself.</summary>
    internal void LoadDependencies(string path)
    {
        visited.Add(Path.GetFileName(path));
        IReadOnlyList<string> needed;
        using (var elf = ElfFile.Open(path))
            needed = elf.Needed;
        foreach (var name in needed)
            if (visited.Add(name) && LibraryFolders.Find(folders, name) is { } dependency)
                LoadDependency(dependency);
    }

    /// <summary>
    /// A dependency may use symbols of libraries it does not name (libtorch_nvshmem.so those of libc10_cuda.so): alone it
    /// is refused, together with what needs it the system loads it. If it is really at fault, that load says so.
    /// </summary>
    private void LoadDependency(string path)
    {
        LoadDependencies(path);
        if (NativeLibrary.TryLoad(path, out _))
            Loaded.Add(path);
    }

    /// <summary>Tries to load a library with all its symbols.</summary>
    /// <returns>null, or the system loader's own words.</returns>
    internal static string? TryLoad(string path) => Libc.OpenResolvingAll(path);

    /// <summary>Turns the system loader's words into a sentence with the file, the cause and the way out.</summary>
    internal static NativeLibraryException Explain(string path, string reason)
    {
        const string CannotOpen = ": cannot open shared object file", Undefined = "undefined symbol: ", Version = "version `", NotFound = "' not found";
        // glibc puts the file at fault first: "libgomp.so.1: cannot open shared object file: No such file or directory".
        if (reason.IndexOf(CannotOpen, StringComparison.Ordinal) is > 0 and var opened)
        {
            var missing = reason[..opened];
            return missing == path
                ? new($"{path} cannot be opened ({reason[(opened + 2)..]}).")
                : new($"{path} needs {missing}, which is not on this system; install the package that has it, or put it beside {path}.");
        }
        if (reason.IndexOf(Undefined, StringComparison.Ordinal) is >= 0 and var undefined)
            return new($"{path} does not fit the libraries it is used with: the symbol {reason[(undefined + Undefined.Length)..].TrimEnd()} is missing; use the libtorch version that this TorchSharp was built for.");
        if (reason.IndexOf(Version, StringComparison.Ordinal) is >= 0 and var version && reason.IndexOf(NotFound, version, StringComparison.Ordinal) is > 0 and var end)
        {
            var library = reason[..version].TrimEnd(' ', ':');
            return new($"{path} needs version {reason[(version + Version.Length)..end]} of {library}, which this system's does not have; use a newer distribution or update that library.");
        }
        if (reason.Contains("failed to map segment", StringComparison.Ordinal))
            return new($"{path} cannot be loaded because its folder is mounted without permission to execute; move it, or set GENERATED_CACHE for copies ({reason}).");
        return new($"{path} cannot be loaded: {reason}.");
    }
}
