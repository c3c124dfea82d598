using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using TorchSharp;

namespace Generated.Native;

/// <summary>
/// Puts <see cref="LibTorch"/> in charge of TorchSharp's native library, lazily: the first native call of TorchSharp
/// loads it. Two paths lead there. TorchSharp's type initializer looks for <c>torch_cpu</c> and <c>LibTorchSharp</c> by
/// name; what the runtime does not find, or cannot load, comes to <see cref="Find"/>. Its native calls, and those that this assembly makes
/// to the same library, come to <see cref="Resolve"/>.
/// </summary>
internal static class TorchSharpBinding
{
    private const string Library = "LibTorchSharp";

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void Install()
    {
        var assembly = typeof(torch).Assembly;
        (AssemblyLoadContext.GetLoadContext(assembly) ?? AssemblyLoadContext.Default).ResolvingUnmanagedDll += Find;
        try
        {
            NativeLibrary.SetDllImportResolver(assembly, Resolve);
        }
        catch (InvalidOperationException)
        {
            // The program has a resolver of its own for TorchSharp: its choice stands.
        }
        NativeLibrary.SetDllImportResolver(typeof(TorchSharpBinding).Assembly, Resolve);
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath) =>
        name == Library ? LibTorch.Load().Handle : 0;

    /// <remarks>
    /// On failure TorchSharp would swallow the reason, copy 500 MB of libtorch beside the program, and print that a
    /// package is missing. It is told that all is well instead; its first native call then fails in
    /// <see cref="Resolve"/> with the true reason.
    /// </remarks>
    private static nint Find(Assembly assembly, string name)
    {
        if (assembly != typeof(torch).Assembly || name is not ("torch_cpu" or Library))
            return 0;
        try
        {
            return LibTorch.Load().Handle;
        }
        catch (NativeLibraryException)
        {
            return NativeLibrary.GetMainProgramHandle();
        }
    }
}
