using Generated.Kernels;

namespace Generated.Quant.Kernels;

/// <summary>
/// A linear layer's weight in low-bit integers, packed in native memory: W[o, k] = (code[o, k] − zero[o, g]) · scale[o, g], where g is
/// the group of k. It multiplies without unpacking; nothing else of the weight is kept.
/// </summary>
/// <remarks>
/// <para>Accuracy: codes times int16 activations are summed exactly within a group, groups in float32. Activations are rounded to
/// 2⁻¹⁶ of the largest magnitude of their group (at most 256 of them), so that
/// |Δy| ≤ Σ_g 2⁻¹⁶ · max|x_g| · Σ_{k∈g} |w_k|, plus float32 rounding: measured, 2·10⁻⁵ of |y|, or 10⁻⁴ where some channels are
/// 100 times larger than the others; rounding the weights to 8 bits costs 10⁻², to 4 bits 10⁻¹. An input row with NaN or infinity gives an output row of NaN.</para>
/// <para>An output depends neither on the number of threads nor on the other rows of the batch. Scales that are all exactly
/// representable in float16 are stored so, others as float32.</para>
/// <para>Multiplying from several threads at once is safe; disposing while another thread multiplies is not.</para>
/// </remarks>
public abstract unsafe class PackedMatrix : IDisposable
{
    /// <summary>Readers of scales and zero points take whole vectors and may run past the last row.</summary>
    private protected const int Slack = 64;

    private const int MaxWidth = 1 << 18; // keeps sums of 8-bit products, and the groups on a stack, within bounds

    private protected PackedMatrix(PackedShape shape) => Shape = shape;

    internal PackedShape Shape { get; }

    internal abstract PackedStorage Storage { get; }

    /// <summary>Number of outputs, the rows of the weight.</summary>
    public int OutWidth => Shape.OutWidth;

    /// <summary>Number of inputs, the columns of the weight.</summary>
    public int InWidth => Shape.InWidth;

    /// <summary>Columns that share a scale; <see cref="InWidth"/> when there is one scale per output.</summary>
    public int GroupSize => Shape.GroupSize;

    /// <summary>Scales per output: ⌈InWidth / GroupSize⌉; the last group may be shorter.</summary>
    public int Groups => Shape.Groups;

    /// <summary>Bits of one code.</summary>
    public abstract int Bits { get; }

    /// <summary>Whether zero points are stored.</summary>
    public abstract bool IsSymmetric { get; }

    /// <summary>Native memory held, in bytes.</summary>
    public abstract long Bytes { get; }

    /// <summary>
    /// The packed codes: rows of ⌈InWidth / 32⌉ blocks of 32 columns, padded with zeros; a block of 8-bit codes is 32 bytes in order, one
    /// of 4-bit codes 16 bytes of which byte j holds column j in its low and column j + 16 in its high half. With act-order GPTQ, columns
    /// are sorted by group. Valid until the matrix is disposed.
    /// </summary>
    public abstract ReadOnlySpan<byte> Packed { get; }

    /// <summary>
    /// y = x · Wᵀ + bias, for one row (decoding) or many (a prompt). Without AVX2, <see cref="Dequantize(float*, int, int, ThreadTeam?)"/> and a float
    /// product are faster for more than a few.
    /// </summary>
    /// <param name="x">[rows, InWidth] float32.</param>
    /// <param name="bias">[OutWidth] float32, or null.</param>
    /// <param name="y">[rows, OutWidth] float32; must not overlap <paramref name="x"/>.</param>
    /// <param name="rows">Number of input rows.</param>
    /// <param name="team">Threads to use; <see cref="ThreadTeam.Shared"/> if null.</param>
    public void Multiply(float* x, float* bias, float* y, int rows, ThreadTeam? team = null)
        => Multiply(Cpu.Path, x, bias, y, rows, team ?? ThreadTeam.Shared);

    /// <summary>Writes rows of the weight as float32, columns in their original order.</summary>
    /// <param name="destination">[count, InWidth].</param>
    /// <param name="start">First output.</param>
    /// <param name="count">Number of outputs.</param>
    /// <param name="team">Threads to use; <see cref="ThreadTeam.Shared"/> if null.</param>
    public void Dequantize(float* destination, int start, int count, ThreadTeam? team = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, OutWidth - start);
        DequantizeRows(destination, start, count, team ?? ThreadTeam.Shared);
    }

    /// <summary>Frees the native memory.</summary>
    public abstract void Dispose();

    internal abstract void Multiply(KernelPath path, float* x, float* bias, float* y, int rows, ThreadTeam team);

    private protected abstract void DequantizeRows(float* destination, int start, int count, ThreadTeam team);

    private protected static PackedShape CheckShape(int outWidth, int inWidth, int groupSize, long codes, int scales, int zeros)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(outWidth);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(inWidth);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(inWidth, MaxWidth);
        if (groupSize < 0 || (groupSize < inWidth && groupSize % Int16Activations.Block != 0))
            throw new InvalidInputException($"Group size {groupSize} is not a multiple of {Int16Activations.Block}; choose one that is, or 0 for one scale per output.");
        var shape = new PackedShape(outWidth, inWidth, groupSize == 0 ? inWidth : Math.Min(groupSize, inWidth));
        if (codes != (long)outWidth * inWidth)
            throw new InvalidInputException($"A weight of {outWidth} × {inWidth} has {codes} codes; it needs one per element.");
        var expected = (long)outWidth * shape.Groups;
        if (scales != expected)
            throw new InvalidInputException($"A weight of {outWidth} × {inWidth} in groups of {shape.GroupSize} has {scales} scales; it needs {expected}.");
        if (zeros != 0 && zeros != expected)
            throw new InvalidInputException($"A weight of {outWidth} × {inWidth} in groups of {shape.GroupSize} has {zeros} zero points; it needs {expected}, or none if symmetric.");
        return shape;
    }
}

/// <summary>Sizes of a packed matrix and how its groups meet those of the activations.</summary>
internal sealed record PackedShape(int OutWidth, int InWidth, int GroupSize)
{
    private const int LargestActivationGroup = 256;
    private const int UsualActivationGroup = 128;

    public int Groups { get; } = (InWidth + GroupSize - 1) / GroupSize;

    /// <summary>Blocks of codes per row; the last is padded.</summary>
    public int Blocks { get; } = (InWidth + Int16Activations.Block - 1) / Int16Activations.Block;

    /// <summary>Activations are grouped as the weights are, or finer where those groups are large.</summary>
    public int ActivationGroup { get; } =
        GroupSize >= InWidth ? UsualActivationGroup
        : GroupSize <= LargestActivationGroup ? GroupSize
        : GroupSize % UsualActivationGroup == 0 ? UsualActivationGroup
        : GroupSize % (UsualActivationGroup / 2) == 0 ? UsualActivationGroup / 2
        : Int16Activations.Block;

    public int BlocksPerGroup => ActivationGroup / Int16Activations.Block;

    /// <summary>Groups of activations that share a group of weights.</summary>
    public int Ratio => Groups == 1 ? int.MaxValue : GroupSize / ActivationGroup;
}
