using System.Runtime.InteropServices;

namespace Generated.Cuda;

/// <summary>
/// The few entry points of the CUDA driver that launching own kernels takes. libtorch has made the device's primary
/// context current on the calling thread by the time these run, and works on the legacy default stream, so kernels
/// launched on stream 0 are ordered with libtorch's.
/// </summary>
internal static unsafe partial class CudaDriver
{
    private const string Library = "libcuda.so.1";
    private const int ComputeCapabilityMajor = 75;
    private const int ComputeCapabilityMinor = 76;
    private const int NameLength = 256;

    /// <summary>The current device's architecture as NVRTC names it, for example <c>sm_90</c>.</summary>
    public static string Architecture()
    {
        var (major, minor) = Capability(CurrentDevice());
        return $"sm_{major}{minor}";
    }

    /// <summary>The device of the current context.</summary>
    public static int CurrentDevice()
    {
        Check(cuCtxGetDevice(out var device), "cuCtxGetDevice");
        return device;
    }

    /// <summary>Waits for the legacy default stream.</summary>
    public static void Synchronize() => Check(cuStreamSynchronize(0), "cuStreamSynchronize");

    /// <summary>Name and compute capability of a visible device.</summary>
    public static (string Name, int Major, int Minor) Describe(int index)
    {
        Check(cuInit(0), "cuInit");
        Check(cuDeviceGet(out var device, index), "cuDeviceGet");
        var name = stackalloc byte[NameLength];
        Check(cuDeviceGetName(name, NameLength, device), "cuDeviceGetName");
        var (major, minor) = Capability(device);
        return (Marshal.PtrToStringUTF8((nint)name)!, major, minor);
    }

    /// <summary>Loads a compiled module into the current context.</summary>
    public static nint LoadModule(byte[] image)
    {
        fixed (byte* data = image)
        {
            Check(cuModuleLoadData(out var module, data), "cuModuleLoadData");
            return module;
        }
    }

    /// <summary>Finds a kernel of a module.</summary>
    public static nint Function(nint module, string name)
    {
        Check(cuModuleGetFunction(out var function, module, name), $"cuModuleGetFunction({name})");
        return function;
    }

    /// <summary>Launches a kernel on the legacy default stream.</summary>
    public static void Launch(nint function, (int X, int Y, int Z) grid, int block, void** arguments, int sharedBytes = 0) =>
        Check(cuLaunchKernel(function, (uint)grid.X, (uint)grid.Y, (uint)grid.Z, (uint)block, 1, 1, (uint)sharedBytes, 0, arguments, null), "cuLaunchKernel");

    private static (int Major, int Minor) Capability(int device)
    {
        Check(cuDeviceGetAttribute(out var major, ComputeCapabilityMajor, device), "cuDeviceGetAttribute");
        Check(cuDeviceGetAttribute(out var minor, ComputeCapabilityMinor, device), "cuDeviceGetAttribute");
        return (major, minor);
    }

    private static void Check(int result, string call)
    {
        if (result == 0) return;
        var text = cuGetErrorString(result, out var message) == 0 ? Marshal.PtrToStringUTF8(message) : "unknown error";
        throw new GeneratedException($"The CUDA driver call {call} failed with code {result}: {text}.");
    }

    [LibraryImport(Library)] private static partial int cuInit(uint flags);

    [LibraryImport(Library)] private static partial int cuDeviceGet(out int device, int ordinal);

    [LibraryImport(Library)] private static partial int cuDeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library)] private static partial int cuCtxGetDevice(out int device);

    [LibraryImport(Library)] private static partial int cuDeviceGetAttribute(out int value, int attribute, int device);

    [LibraryImport(Library)] private static partial int cuModuleLoadData(out nint module, void* image);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int cuModuleGetFunction(out nint function, nint module, string name);

    [LibraryImport(Library)]
    private static partial int cuLaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream, void** arguments, void** extra);

    [LibraryImport(Library)] private static partial int cuStreamSynchronize(nint stream);

    [LibraryImport(Library)] private static partial int cuGetErrorString(int result, out nint text);
}
