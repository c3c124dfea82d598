using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Generated.Cuda;

/// <summary>How a matrix lies in memory, for the tensor copy engine of compute capability 9.0 (CUtensorMap); passed to kernels by value.</summary>
[StructLayout(LayoutKind.Sequential, Size = Bytes)]
internal unsafe partial struct TensorMap
{
    /// <summary>What an address and the distance of rows are multiples of, in bytes.</summary>
    public const int Alignment = 16;

    private const int Bytes = 128;
    private const int OwnAlignment = 64;
    private const int Float16 = 6;
    private const int BFloat16 = 9;
    private const int Swizzle128 = 3;
    private const int FromCache128 = 2;

    private fixed ulong _words[Bytes / sizeof(ulong)];

    /// <summary>Rows of 16-bit values, to be copied in boxes of <paramref name="boxColumns"/> (128 bytes) by <paramref name="boxRows"/> with the swizzle of 128 bytes; what lies outside comes as zero.</summary>
    public static TensorMap OfRows(nint address, ScalarType type, long rows, long width, int boxColumns, int boxRows)
    {
        var place = stackalloc byte[Bytes + OwnAlignment];
        var map = (TensorMap*)(((nint)place + OwnAlignment - 1) & ~(nint)(OwnAlignment - 1));
        var sizes = stackalloc ulong[] { (ulong)width, (ulong)rows };
        var distance = (ulong)width * sizeof(ushort);
        var box = stackalloc uint[] { (uint)boxColumns, (uint)boxRows };
        var steps = stackalloc uint[] { 1, 1 };
        CudaDriver.Check(
            cuTensorMapEncodeTiled(map, type == ScalarType.BFloat16 ? BFloat16 : Float16, 2, address, sizes, &distance, box, steps, 0, Swizzle128, FromCache128, 0), "cuTensorMapEncodeTiled");
        return *map;
    }

    [LibraryImport("libcuda.so.1")]
    private static partial int cuTensorMapEncodeTiled(
        TensorMap* map, int type, uint rank, nint address, ulong* sizes, ulong* distances, uint* box, uint* steps, int interleave, int swizzle, int promotion, int fill);
}
