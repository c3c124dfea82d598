using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Generated.Kernels;

/// <summary>A storage format of numbers and how to widen it to float32. Widening is exact in every format, NaN and infinity included.</summary>
internal unsafe interface IElement<TStored>
    where TStored : unmanaged
{
    static abstract float Load(TStored* source);

    static abstract Vector128<float> Load128(TStored* source);

    static abstract Vector256<float> Load256(TStored* source);
}

/// <summary>IEEE binary32.</summary>
internal readonly unsafe struct Float32 : IElement<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(float* source) => *source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load128(float* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load256(float* source) => Vector256.Load(source);
}

/// <summary>bfloat16: the upper half of a binary32.</summary>
internal readonly unsafe struct BFloat16 : IElement<ushort>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(ushort* source) => BitConverter.UInt32BitsToSingle((uint)*source << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load128(ushort* source)
        => (Vector128.WidenLower(EightBytes.Load(source).AsUInt16()) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load256(ushort* source)
        => (Vector256.WidenLower(Vector128.Load(source).ToVector256Unsafe()) << 16).AsSingle();

    /// <summary>Rounds to nearest, ties to even; NaN stays NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort Round(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value)
            ? (ushort)((bits >> 16) | 0x40)
            : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}

/// <summary>IEEE binary16. .NET has no vector conversion of it, so its bits are moved into binary32 and rescaled by a power of two.</summary>
internal readonly unsafe struct Float16 : IElement<ushort>
{
    private const int SignAndMagnitude = unchecked((int)0x8FFFE000); // binary16's bits, sign-extended and shifted left by 13
    private const int Exponent = 0x0F800000;                         // all ones in infinity and NaN
    private const int SingleExponent = 0x7F800000;
    private const float Rescale = 5.192296858534828e33f;             // 2^112: the difference of the exponent biases, 127 - 15

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(ushort* source) => (float)BitConverter.UInt16BitsToHalf(*source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load128(ushort* source)
    {
        var bits = (Vector128.WidenLower(EightBytes.Load(source).AsInt16()) << 13) & Vector128.Create(SignAndMagnitude);
        var special = Vector128.Equals(bits & Vector128.Create(Exponent), Vector128.Create(Exponent)) & Vector128.Create(SingleExponent);
        return ((bits.AsSingle() * Rescale).AsInt32() | special).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load256(ushort* source)
    {
        var bits = (Vector256.WidenLower(Vector128.Load((short*)source).ToVector256Unsafe()) << 13) & Vector256.Create(SignAndMagnitude);
        var special = Vector256.Equals(bits & Vector256.Create(Exponent), Vector256.Create(Exponent)) & Vector256.Create(SingleExponent);
        return ((bits.AsSingle() * Rescale).AsInt32() | special).AsSingle();
    }
}

/// <summary>Signed 8-bit integers, whose scale the kernel applies.</summary>
internal readonly unsafe struct Int8 : IElement<sbyte>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(sbyte* source) => *source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load128(sbyte* source)
        => Vector128.ConvertToSingle(Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(int*)source).AsSByte())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load256(sbyte* source)
        => Vector256.ConvertToSingle(Vector256.WidenLower(Vector128.WidenLower(EightBytes.Load(source).AsSByte()).ToVector256Unsafe()));
}

/// <summary>Loads half a 128-bit vector; Vector64 would go through the stack on x64.</summary>
internal static unsafe class EightBytes
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load(void* source) => Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<long>(source)).AsByte();
}
