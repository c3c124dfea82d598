using System.Runtime.Intrinsics;

namespace Generated.Quant.Kernels;

/// <summary>
/// How one row of integer weight codes lies in memory, in blocks of <see cref="Int16Activations.Block"/>, and its dot product with
/// int16 activations. Sums of a group are exact integers; groups are scaled and added in float32.
/// </summary>
internal unsafe interface ICodeFormat
{
    /// <summary>Bytes of one block of 32 codes.</summary>
    static abstract int BlockBytes { get; }

    /// <summary>The code of the value 0 in a symmetric matrix, which stores no zero points.</summary>
    static abstract int SymmetricZero { get; }

    /// <summary>Bytes of one stored zero point.</summary>
    static abstract int ZeroBytes { get; }

    /// <summary>Eight zero points.</summary>
    static abstract Vector256<float> Zeros(byte* zeros);

    /// <summary>One zero point.</summary>
    static abstract float Zero(byte* zero);

    /// <summary>Σ over groups of scales[group] · Σ codes · x.</summary>
    static abstract float DotAvx2(byte* codes, short* x, float* scales, int blocks, int blocksPerGroup);

    /// <summary>The same for two rows of activations, in the same order of additions.</summary>
    static abstract void DotAvx2(byte* codes, short* x, float* xScales, short* z, float* zScales, int blocks, int blocksPerGroup, out float first, out float second);

    /// <summary>One block of codes as int16, columns 0 to 15 and 16 to 31.</summary>
    static abstract (Vector256<short> Low, Vector256<short> High) Widen(byte* codes);

    /// <summary>The sum of one group, exactly.</summary>
    static abstract int GroupSum(byte* codes, short* x, int blocks);

    /// <summary>Stored codes as floats, whole blocks.</summary>
    static abstract void Unpack(byte* codes, float* values, int blocks);
}
