using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Generated.Checkpoints.Storage;

/// <summary>Transposes blocks of 8 by 8 two-byte or 4 by 4 four-byte elements in registers, by interleaving pairs of rows.</summary>
internal static unsafe class TransposeKernel
{
    /// <summary>Rows and columns of a block, or 0 where there is no kernel for the element size or the processor.</summary>
    public static int BlockSize(int itemSize) => !(Sse2.IsSupported || AdvSimd.Arm64.IsSupported)
        ? 0
        : itemSize switch
        {
            2 => 8,
            4 => 4,
            _ => 0,
        };

    /// <param name="source">First element; its rows become columns.</param>
    /// <param name="sourceStep">Bytes from one source row to the next.</param>
    /// <param name="target">First element of the result.</param>
    /// <param name="targetStep">Bytes from one row of the result to the next.</param>
    /// <param name="itemSize">2 or 4.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Block(byte* source, long sourceStep, byte* target, long targetStep, int itemSize)
    {
        if (itemSize == 2)
            Block8(source, sourceStep, target, targetStep);
        else
            Block4(source, sourceStep, target, targetStep);
    }

    private static void Block4(byte* source, long sourceStep, byte* target, long targetStep)
    {
        var r0 = Vector128.Load((uint*)source);
        var r1 = Vector128.Load((uint*)(source + sourceStep));
        var r2 = Vector128.Load((uint*)(source + (2 * sourceStep)));
        var r3 = Vector128.Load((uint*)(source + (3 * sourceStep)));
        var (a, b) = (Low(r0, r2), High(r0, r2));
        var (c, d) = (Low(r1, r3), High(r1, r3));
        Low(a, c).Store((uint*)target);
        High(a, c).Store((uint*)(target + targetStep));
        Low(b, d).Store((uint*)(target + (2 * targetStep)));
        High(b, d).Store((uint*)(target + (3 * targetStep)));
    }

    private static void Block8(byte* source, long sourceStep, byte* target, long targetStep)
    {
        // Three rounds of interleaving row i with row i + 4 sort 8 rows into 8 columns.
        var r0 = Vector128.Load((ushort*)source);
        var r1 = Vector128.Load((ushort*)(source + sourceStep));
        var r2 = Vector128.Load((ushort*)(source + (2 * sourceStep)));
        var r3 = Vector128.Load((ushort*)(source + (3 * sourceStep)));
        var r4 = Vector128.Load((ushort*)(source + (4 * sourceStep)));
        var r5 = Vector128.Load((ushort*)(source + (5 * sourceStep)));
        var r6 = Vector128.Load((ushort*)(source + (6 * sourceStep)));
        var r7 = Vector128.Load((ushort*)(source + (7 * sourceStep)));
        (r0, r1, r2, r3, r4, r5, r6, r7) = (Low(r0, r4), High(r0, r4), Low(r1, r5), High(r1, r5), Low(r2, r6), High(r2, r6), Low(r3, r7), High(r3, r7));
        (r0, r1, r2, r3, r4, r5, r6, r7) = (Low(r0, r4), High(r0, r4), Low(r1, r5), High(r1, r5), Low(r2, r6), High(r2, r6), Low(r3, r7), High(r3, r7));
        Low(r0, r4).Store((ushort*)target);
        High(r0, r4).Store((ushort*)(target + targetStep));
        Low(r1, r5).Store((ushort*)(target + (2 * targetStep)));
        High(r1, r5).Store((ushort*)(target + (3 * targetStep)));
        Low(r2, r6).Store((ushort*)(target + (4 * targetStep)));
        High(r2, r6).Store((ushort*)(target + (5 * targetStep)));
        Low(r3, r7).Store((ushort*)(target + (6 * targetStep)));
        High(r3, r7).Store((ushort*)(target + (7 * targetStep)));
    }

    private static Vector128<uint> Low(Vector128<uint> a, Vector128<uint> b) => Sse2.IsSupported ? Sse2.UnpackLow(a, b) : AdvSimd.Arm64.ZipLow(a, b);

    private static Vector128<uint> High(Vector128<uint> a, Vector128<uint> b) => Sse2.IsSupported ? Sse2.UnpackHigh(a, b) : AdvSimd.Arm64.ZipHigh(a, b);

    private static Vector128<ushort> Low(Vector128<ushort> a, Vector128<ushort> b) => Sse2.IsSupported ? Sse2.UnpackLow(a, b) : AdvSimd.Arm64.ZipLow(a, b);

    private static Vector128<ushort> High(Vector128<ushort> a, Vector128<ushort> b) => Sse2.IsSupported ? Sse2.UnpackHigh(a, b) : AdvSimd.Arm64.ZipHigh(a, b);
}
