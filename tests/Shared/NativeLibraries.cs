using System.Runtime.CompilerServices;

/// <summary>Touches Generated.Runtime when a test assembly is loaded, so that TorchSharp finds its native library.</summary>
internal static class NativeLibraries
{
    [ModuleInitializer]
    internal static void Bind() => RuntimeHelpers.RunModuleConstructor(typeof(Generated.Native.LibTorch).Module.ModuleHandle);
}
