using System.Runtime.Intrinsics.X86;

namespace Generated.Kernels;

/// <summary>Which implementation of the CPU kernels runs.</summary>
internal enum KernelPath
{
    /// <summary>128-bit vectors through .NET's portable API: SSE2, NEON, or plain loops.</summary>
    Portable,

    /// <summary>AVX2 and FMA.</summary>
    Avx2,
}

/// <summary>The choice of path, made once at start-up.</summary>
internal static class Cpu
{
    /// <summary>The widest path that this processor has; GENERATED_KERNELS=portable turns the wide ones off, to tell whether a kernel is at fault.</summary>
    public static readonly KernelPath Path =
        Avx2.IsSupported && Fma.IsSupported
        && !string.Equals(Environment.GetEnvironmentVariable("GENERATED_KERNELS"), "portable", StringComparison.OrdinalIgnoreCase)
            ? KernelPath.Avx2
            : KernelPath.Portable;
}
