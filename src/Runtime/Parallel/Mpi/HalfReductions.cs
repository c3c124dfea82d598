using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;

namespace Generated.Parallel.Mpi;

/// <summary>
/// Sums and maxima of bfloat16 and float16, which MPI does not know, as MPI user functions over 16-bit integers.
/// Each hop widens to float32, combines, and rounds to nearest even; with more than two ranks that rounds more than once.
/// They run inside MPI: they must not throw.
/// </summary>
internal static unsafe class HalfReductions
{
    /// <summary>Address of the user function for a type and reduction.</summary>
    internal static nint Function(torch.ScalarType type, bool maximum) => (type, maximum) switch
    {
        (torch.ScalarType.BFloat16, false) => (nint)(delegate* unmanaged[Cdecl]<ushort*, ushort*, int*, nint*, void>)&AddBFloat16,
        (torch.ScalarType.BFloat16, true) => (nint)(delegate* unmanaged[Cdecl]<ushort*, ushort*, int*, nint*, void>)&MaxBFloat16,
        (torch.ScalarType.Float16, false) => (nint)(delegate* unmanaged[Cdecl]<ushort*, ushort*, int*, nint*, void>)&AddFloat16,
        (torch.ScalarType.Float16, true) => (nint)(delegate* unmanaged[Cdecl]<ushort*, ushort*, int*, nint*, void>)&MaxFloat16,
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void AddBFloat16(ushort* from, ushort* into, int* length, nint* type)
    {
        var i = 0;
        for (var n = *length - Vector256<ushort>.Count; i <= n; i += Vector256<ushort>.Count)
        {
            var (a0, a1) = Widen(Vector256.Load(from + i));
            var (b0, b1) = Widen(Vector256.Load(into + i));
            Vector256.Narrow(Round(a0 + b0), Round(a1 + b1)).Store(into + i);
        }
        for (; i < *length; i++)
            into[i] = ToBFloat16(FromBFloat16(from[i]) + FromBFloat16(into[i]));
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void MaxBFloat16(ushort* from, ushort* into, int* length, nint* type)
    {
        for (var i = 0; i < *length; i++)
            into[i] = ToBFloat16(MathF.Max(FromBFloat16(from[i]), FromBFloat16(into[i])));
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void AddFloat16(ushort* from, ushort* into, int* length, nint* type)
    {
        var a = (Half*)from;
        var b = (Half*)into;
        for (var i = 0; i < *length; i++)
            b[i] = (Half)((float)a[i] + (float)b[i]);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void MaxFloat16(ushort* from, ushort* into, int* length, nint* type)
    {
        var a = (Half*)from;
        var b = (Half*)into;
        for (var i = 0; i < *length; i++)
            b[i] = Half.Max(a[i], b[i]);
    }

    internal static ushort ToBFloat16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }

    internal static float FromBFloat16(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    private static (Vector256<float> Low, Vector256<float> High) Widen(Vector256<ushort> halves)
    {
        var (low, high) = Vector256.Widen(halves);
        return ((low << 16).AsSingle(), (high << 16).AsSingle());
    }

    /// <summary>Rounds to nearest even at bit 16; a NaN keeps its top bits and stays one.</summary>
    private static Vector256<uint> Round(Vector256<float> value)
    {
        var bits = value.AsUInt32();
        var rounded = (bits + Vector256.Create(0x7fffu) + ((bits >> 16) & Vector256<uint>.One)) >> 16;
        return Vector256.ConditionalSelect(Vector256.Equals(value, value).AsUInt32(), rounded, (bits >> 16) | Vector256.Create(0x40u));
    }
}
