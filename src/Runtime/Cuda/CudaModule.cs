using System.Reflection;
using static TorchSharp.torch;

namespace Generated.Cuda;

/// <summary>Source of kernels, kept as an assembly's resources.</summary>
/// <param name="Owner">The assembly.</param>
/// <param name="Folder">What the resources' names begin with.</param>
/// <param name="Files">The source in parts, of which each may use the ones before; <c>numbers.cu</c> comes before the first.</param>
internal sealed record CudaSource(Assembly Owner, string Folder, params string[] Files)
{
    /// <summary>Whether it uses instructions that only one architecture has.</summary>
    public bool UsesOwnFeatures { get; init; }

    /// <summary>Compiles the source for a device and loads it there.</summary>
    /// <param name="device">Index of the device.</param>
    /// <param name="storage">Type of the values: float32, float16 or bfloat16.</param>
    /// <param name="settings">Further options for the compiler.</param>
    /// <exception cref="GeneratedException">The source does not compile.</exception>
    public CudaModule Compile(int device, ScalarType storage, params IEnumerable<string> settings)
    {
        var number = storage switch { ScalarType.Float32 => 0, ScalarType.Float16 => 1, _ => 2 };
        var source = Read(typeof(CudaSource).Assembly, "Generated.Cuda.numbers.cu") + string.Concat(Files.Select(file => Read(Owner, Folder + file)));
        return CudaModule.Load(device, Nvrtc.Compile(
            source, Files[^1], [$"--gpu-architecture={CudaDriver.Architecture(device, UsesOwnFeatures)}", $"-DSTORAGE={number}", .. settings]));
    }

    private static string Read(Assembly owner, string resource)
    {
        using var stream = owner.GetManifestResourceStream(resource) ?? throw new InvalidOperationException($"{owner.GetName().Name} has no resource {resource}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}

/// <summary>Compiled kernels in the primary context of one device; those of another device are another module.</summary>
internal sealed class CudaModule
{
    private readonly nint _handle;
    private readonly nint _context;

    private CudaModule(nint handle, nint context) => (_handle, _context) = (handle, context);

    /// <summary>Loads machine code.</summary>
    public static CudaModule Load(int device, byte[] image)
    {
        var context = CudaDriver.PrimaryContext(device);
        using var scope = CudaDriver.Enter(context);
        return new CudaModule(CudaDriver.LoadModule(image), context);
    }

    /// <summary>Finds a kernel.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="sharedBytes">Shared memory that its launches ask for, where that is more than 48 KB.</param>
    public CudaFunction Function(string name, int sharedBytes = 0)
    {
        using var scope = CudaDriver.Enter(_context);
        var function = CudaDriver.Function(_handle, name);
        if (sharedBytes > 0)
            CudaDriver.AllowSharedBytes(function, sharedBytes);
        return new CudaFunction(function, _context);
    }
}

/// <summary>A kernel, and the context that it is launched in.</summary>
internal readonly record struct CudaFunction(nint Handle, nint Context);
