using System.Runtime.CompilerServices;

namespace Generated.Native;

/// <summary>
/// Loads libtorch and TorchSharp's library. It happens by itself at the first native call once Generated.Runtime is
/// in use; call <see cref="EnsureLoaded"/> to have it happen, or fail, at a chosen moment, or if a program uses
/// TorchSharp before anything of Generated.
/// <list type="bullet">
/// <item><c>GENERATED_LIBTORCH=folder</c> uses the libtorch, with or without CUDA, of a PyTorch installation.</item>
/// <item><c>GENERATED_MALLOC=default</c> keeps glibc's malloc settings; otherwise freed memory stays in the process, which makes large operations on the CPU several times faster.</item>
/// <item><c>GENERATED_CACHE=folder</c> is where a copy of TorchSharp's library goes when this system needs one.</item>
/// </list>
/// </summary>
public static class LibTorch
{
    internal const string FolderVariable = "GENERATED_LIBTORCH";
    internal const string MallocVariable = "GENERATED_MALLOC";
    internal const string LibraryName = "libLibTorchSharp.so";

    private static readonly Lazy<LoadedLibTorch> Library = new(LoadFromEnvironment);

    /// <summary>Loads the native libraries if they are not loaded yet. On other systems than Linux TorchSharp does it itself.</summary>
    /// <exception cref="NativeLibraryException">A library is missing or does not fit; the message says which, why, and what to do.</exception>
    public static void EnsureLoaded()
    {
        if (OperatingSystem.IsLinux())
            Load();
    }

    /// <summary>The file of TorchSharp's library in use (the application's own, or a copy that fits this system), or null where TorchSharp loads it itself.</summary>
    public static string? LibraryPath => OperatingSystem.IsLinux() ? Load().Path : null;

    /// <summary>The folder of the libtorch in use, or null where TorchSharp loads it itself.</summary>
    public static string? Folder => OperatingSystem.IsLinux() ? Load().Folder : null;

    /// <summary>Full path of a library that lies with the libtorch in use (such as <c>libnvrtc.so.12</c> or <c>libnccl.so.2</c>), or null.</summary>
    /// <param name="pattern">File name; <c>*</c> stands for any characters, and the first match in ordinal order is taken.</param>
    public static string? FindLibrary(string pattern) =>
        OperatingSystem.IsLinux()
            ? Load().Folders.SelectMany(f => Directory.EnumerateFiles(f, pattern).Order(StringComparer.Ordinal)).FirstOrDefault()
            : null;

    internal static LoadedLibTorch Load() => Library.Value;

    /// <summary>Prepares the loading when the assembly is loaded; what fails later says so at the first use.</summary>
#pragma warning disable CA2255 // A library may not surprise its users; here the surprise would be to have to call it.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Initialize()
    {
        if (!OperatingSystem.IsLinux())
            return;
        PrepareProcess();
        try
        {
            TorchSharpBinding.Install();
        }
        catch (Exception e) when (e is IOException or BadImageFormatException)
        {
            // TorchSharp.dll itself is not there, as in a tool that reads only the annotations.
        }
    }

    /// <summary>Whether memory that was freed stays in the process, as this library asks of glibc.</summary>
    internal static bool KeepsFreedMemory { get; } = Libc.IsGlibc && Environment.GetEnvironmentVariable(MallocVariable) != "default";

    /// <summary>What must be set before libtorch is loaded, by whomever.</summary>
    private static void PrepareProcess()
    {
        if (KeepsFreedMemory)
            Libc.KeepFreedMemory();
        // GNU OpenMP's threads spin for milliseconds after each operation and would keep the cores from the kernel team's.
        if (Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") is null)
            Libc.SetEnvironment("GOMP_SPINCOUNT", "10000", overwrite: false);
    }

    private static LoadedLibTorch LoadFromEnvironment()
    {
        var given = Environment.GetEnvironmentVariable(FolderVariable);
        return LibTorchLoading.Load(LibraryFolders.OfApplication(), string.IsNullOrEmpty(given) ? null : LibraryFolders.OfPyTorch(given));
    }
}
