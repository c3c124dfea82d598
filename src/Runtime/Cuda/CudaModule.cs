using System.Reflection;
using static TorchSharp.torch;

namespace Generated.Cuda;

/// <summary>Compiles kernels, kept as an assembly's resource, for one type of values on the current device.</summary>
internal static class CudaModule
{
    /// <summary>The compiled and loaded module.</summary>
    /// <param name="owner">The assembly that holds the source.</param>
    /// <param name="resource">Name of the source; <c>numbers.cu</c> is put in front of it.</param>
    /// <param name="storage">Type of the values: float32, float16 or bfloat16.</param>
    /// <param name="settings">Further options for the compiler.</param>
    /// <exception cref="GeneratedException">The source does not compile.</exception>
    public static nint Compile(Assembly owner, string resource, ScalarType storage, params IEnumerable<string> settings)
    {
        var number = storage switch { ScalarType.Float32 => 0, ScalarType.Float16 => 1, _ => 2 };
        var source = Read(typeof(CudaModule).Assembly, "Generated.Cuda.numbers.cu") + Read(owner, resource);
        return CudaDriver.LoadModule(Nvrtc.Compile(source, resource, [$"--gpu-architecture={CudaDriver.Architecture()}", $"-DSTORAGE={number}", .. settings]));
    }

    private static string Read(Assembly owner, string resource)
    {
        using var stream = owner.GetManifestResourceStream(resource) ?? throw new InvalidOperationException($"{owner.GetName().Name} has no resource {resource}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
