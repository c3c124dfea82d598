using System.Runtime.InteropServices;
using Generated.Native;

namespace Generated.Quant.Kernels.Cuda;

/// <summary>
/// The part of cuBLASLt that int8 products take; bound by hand because its file name carries a version. libtorch's own operator asks it for no choice of
/// algorithms, and gets one that is half as fast as the best on current devices.
/// </summary>
internal static unsafe class CublasLt
{
    private const int Int8 = 3;
    private const int Int32 = 10;
    private const int ComputeInt32 = 72;
    private const int TransposeOfA = 3;
    private const int MostWorkspaceBytes = 1;
    private static readonly Lazy<nint> Library = new(Find);

    /// <summary>Whether the library can be loaded.</summary>
    public static bool IsAvailable => Library.Value != 0;

    /// <summary>A handle for the current device.</summary>
    public static nint Create()
    {
        nint handle;
        Check(((delegate* unmanaged[Cdecl]<nint*, int>)Export("cublasLtCreate"))(&handle), "cublasLtCreate");
        return handle;
    }

    /// <summary>What describes y [rows, out] int32 = x [rows, in] int8 · (w [out, in] int8)ᵀ, all contiguous.</summary>
    public static Product Describe(long rows, long outWidth, long inWidth)
    {
        nint operation;
        Check(((delegate* unmanaged[Cdecl]<nint*, int, int, int>)Export("cublasLtMatmulDescCreate"))(&operation, ComputeInt32, Int32), "cublasLtMatmulDescCreate");
        var transpose = 1;
        Check(((delegate* unmanaged[Cdecl]<nint, int, void*, nuint, int>)Export("cublasLtMatmulDescSetAttribute"))(operation, TransposeOfA, &transpose, sizeof(int)), "cublasLtMatmulDescSetAttribute");
        // Its matrices lie by columns: what is [out, in] here is [in, out] there, and the result is yᵀ.
        return new Product(operation, Layout(Int8, inWidth, outWidth), Layout(Int8, inWidth, rows), Layout(Int32, outWidth, rows));
    }

    /// <summary>Algorithms for a product, the ones that are thought fastest first.</summary>
    public static Algorithm[] Algorithms(nint handle, Product product, int most, long workspaceBytes)
    {
        nint preference;
        Check(((delegate* unmanaged[Cdecl]<nint*, int>)Export("cublasLtMatmulPreferenceCreate"))(&preference), "cublasLtMatmulPreferenceCreate");
        try
        {
            var set = (delegate* unmanaged[Cdecl]<nint, int, void*, nuint, int>)Export("cublasLtMatmulPreferenceSetAttribute");
            Check(set(preference, MostWorkspaceBytes, &workspaceBytes, sizeof(long)), "cublasLtMatmulPreferenceSetAttribute");
            var found = new Algorithm[most];
            int count;
            fixed (Algorithm* first = found)
            {
                var ask = (delegate* unmanaged[Cdecl]<nint, nint, nint, nint, nint, nint, nint, int, Algorithm*, int*, int>)Export("cublasLtMatmulAlgoGetHeuristic");
                if (ask(handle, product.Operation, product.Weight, product.Input, product.Result, product.Result, preference, most, first, &count) != 0)
                    count = 0; // none for these sizes
            }

            return [.. found.Take(count).Where(a => a.State == 0)];
        }
        finally
        {
            ((delegate* unmanaged[Cdecl]<nint, int>)Export("cublasLtMatmulPreferenceDestroy"))(preference);
        }
    }

    /// <summary>Starts a product on the legacy default stream. Whether the algorithm could be started.</summary>
    public static bool TryMultiply(nint handle, Product product, Algorithm algorithm, nint x, nint w, nint y, nint workspace)
    {
        int one = 1, zero = 0;
        var multiply = (delegate* unmanaged[Cdecl]<nint, nint, int*, nint, nint, nint, nint, int*, nint, nint, nint, nint, Algorithm*, nint, nuint, nint, int>)product.Multiply;
        return multiply(
            handle, product.Operation, &one, w, product.Weight, x, product.Input, &zero, y, product.Result, y, product.Result, &algorithm, workspace, algorithm.WorkspaceBytes, 0) == 0;
    }

    private static nint Layout(int type, long rows, long columns)
    {
        nint layout;
        Check(((delegate* unmanaged[Cdecl]<nint*, int, ulong, ulong, long, int>)Export("cublasLtMatrixLayoutCreate"))(&layout, type, (ulong)rows, (ulong)columns, rows), "cublasLtMatrixLayoutCreate");
        return layout;
    }

    private static nint Find()
    {
        foreach (var pattern in (string[])["libcublasLt.so.*", "libcublasLt-????????.so*"])
            if (LibTorch.FindLibrary(pattern) is { } file && NativeLibrary.TryLoad(file, out var handle)) return handle;
        foreach (var name in (string[])["libcublasLt.so.13", "libcublasLt.so.12"])
            if (NativeLibrary.TryLoad(name, out var handle)) return handle;
        return 0;
    }

    private static nint Export(string name) => NativeLibrary.GetExport(Library.Value, name);

    private static void Check(int result, string call)
    {
        if (result != 0) throw new GeneratedException($"The cuBLASLt call {call} failed with code {result}.");
    }

    /// <summary>Descriptions of a product's operands; they live as long as the process.</summary>
    internal sealed record Product(nint Operation, nint Weight, nint Input, nint Result)
    {
        public nint Multiply { get; } = Export("cublasLtMatmul");
    }

    /// <summary>cublasLtMatmulHeuristicResult_t.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Algorithm
    {
        public fixed ulong Opaque[8];
        public nuint WorkspaceBytes;
        public int State;
        public float Waves;
        public fixed int Reserved[4];
    }
}
