using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Generated.Cuda;

/// <summary>
/// The few entry points of the CUDA driver that launching own kernels takes. They work in the primary context of a device, as libtorch does, and libtorch
/// works on the legacy default stream, so kernels launched on stream 0 are ordered with libtorch's.
/// </summary>
internal static unsafe partial class CudaDriver
{
    private const string Library = "libcuda.so.1";
    private const int ComputeCapabilityMajor = 75;
    private const int ComputeCapabilityMinor = 76;
    private const int MultiprocessorCount = 16;
    private const int DynamicSharedBytes = 8;
    private const int NameLength = 256;
    private static readonly ConcurrentDictionary<int, nint> Contexts = new();

    /// <summary>Compute capability of a visible device as NVRTC names it, for example <c>sm_90</c>.</summary>
    /// <param name="device">Index of the device.</param>
    /// <param name="ownFeatures">Whether instructions are wanted that only this architecture has (<c>sm_90a</c>).</param>
    public static string Architecture(int device, bool ownFeatures)
    {
        var (major, minor) = Capability(device);
        return $"sm_{major}{minor}{(ownFeatures ? "a" : "")}";
    }

    /// <summary>Number of multiprocessors of a visible device.</summary>
    public static int Multiprocessors(int device)
    {
        Check(cuDeviceGetAttribute(out var count, MultiprocessorCount, device), "cuDeviceGetAttribute");
        return count;
    }

    /// <summary>The primary context of a visible device; kept for the life of the process.</summary>
    public static nint PrimaryContext(int device) => Contexts.GetOrAdd(device, static index =>
    {
        Check(cuDevicePrimaryCtxRetain(out var context, index), "cuDevicePrimaryCtxRetain");
        return context;
    });

    /// <summary>Makes a context the thread's until the result is disposed of. The thread may have it already, another device's or none.</summary>
    public static ContextScope Enter(nint context)
    {
        Check(cuCtxGetCurrent(out var current), "cuCtxGetCurrent");
        if (current == context)
            return default;
        Check(cuCtxPushCurrent(context), "cuCtxPushCurrent");
        return new ContextScope(hasEntered: true);
    }

    /// <summary>Waits for the legacy default stream of the current context.</summary>
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

    /// <summary>Allows a kernel more shared memory than the 48 KB that each may have.</summary>
    public static void AllowSharedBytes(nint function, int bytes) => Check(cuFuncSetAttribute(function, DynamicSharedBytes, bytes), "cuFuncSetAttribute");

    /// <summary>Launches a kernel on the legacy default stream of its device.</summary>
    public static void Launch(CudaFunction function, (int X, int Y, int Z) grid, int block, void** arguments, int sharedBytes = 0)
    {
        using var context = Enter(function.Context);
        Check(cuLaunchKernel(function.Handle, (uint)grid.X, (uint)grid.Y, (uint)grid.Z, (uint)block, 1, 1, (uint)sharedBytes, 0, arguments, null), "cuLaunchKernel");
    }

    private static (int Major, int Minor) Capability(int device)
    {
        Check(cuDeviceGetAttribute(out var major, ComputeCapabilityMajor, device), "cuDeviceGetAttribute");
        Check(cuDeviceGetAttribute(out var minor, ComputeCapabilityMinor, device), "cuDeviceGetAttribute");
        return (major, minor);
    }

    /// <summary>Puts back the context that a thread had.</summary>
    public readonly ref struct ContextScope(bool hasEntered)
    {
        public void Dispose()
        {
            if (hasEntered)
                Check(cuCtxPopCurrent(out _), "cuCtxPopCurrent");
        }
    }

    internal static void Check(int result, string call)
    {
        if (result == 0) return;
        var text = cuGetErrorString(result, out var message) == 0 ? Marshal.PtrToStringUTF8(message) : "unknown error";
        throw new GeneratedException($"The CUDA driver call {call} failed with code {result}: {text}.");
    }

    [LibraryImport(Library)] private static partial int cuInit(uint flags);

    [LibraryImport(Library)] private static partial int cuDeviceGet(out int device, int ordinal);

    [LibraryImport(Library)] private static partial int cuDeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library)] private static partial int cuDevicePrimaryCtxRetain(out nint context, int device);

    [LibraryImport(Library)] private static partial int cuCtxGetCurrent(out nint context);

    [LibraryImport(Library, EntryPoint = "cuCtxPushCurrent_v2")] private static partial int cuCtxPushCurrent(nint context);

    [LibraryImport(Library, EntryPoint = "cuCtxPopCurrent_v2")] private static partial int cuCtxPopCurrent(out nint context);

    [LibraryImport(Library)] private static partial int cuDeviceGetAttribute(out int value, int attribute, int device);

    [LibraryImport(Library)] private static partial int cuModuleLoadData(out nint module, void* image);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int cuModuleGetFunction(out nint function, nint module, string name);

    [LibraryImport(Library)]
    private static partial int cuLaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream, void** arguments, void** extra);

    [LibraryImport(Library)] private static partial int cuFuncSetAttribute(nint function, int attribute, int value);

    [LibraryImport(Library)] private static partial int cuStreamSynchronize(nint stream);

    [LibraryImport(Library)] private static partial int cuGetErrorString(int result, out nint text);
}
