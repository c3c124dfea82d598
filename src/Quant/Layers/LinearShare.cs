using Generated.Layers;
using Generated.Quant.Weights;

namespace Generated.Quant.Layers;

/// <summary>Cuts what is stored of a whole linear to the rows and columns of one rank.</summary>
internal static class LinearShare
{
    /// <summary>The weight's part.</summary>
    /// <exception cref="InvalidInputException">A group of columns that shares a scale would be divided.</exception>
    public static QuantizedWeight Weight(QuantizedWeight whole, IReadOnlyList<WeightRange> rows, IReadOnlyList<WeightRange> columns)
    {
        var (outWidth, inWidth) = (Length(rows), Length(columns));
        if (outWidth == whole.OutWidth && inWidth == whole.InWidth)
            return whole;
        var groups = Groups(whole.InWidth, whole.GroupSize, whole.GroupIndex is not null, columns);
        var groupCount = Length(groups);
        var codes = new byte[(long)outWidth * inWidth];
        var scales = new float[outWidth * groupCount];
        var zeros = whole.Zeros is null ? null : new byte[scales.Length];
        var row = 0;
        foreach (var range in rows)
        {
            for (var source = (int)range.Start; source < range.Start + range.Length; source++, row++)
            {
                Copy(whole.Codes.AsSpan(source * whole.InWidth, whole.InWidth), columns, codes.AsSpan(row * inWidth, inWidth));
                Copy(whole.Scales.AsSpan(source * whole.Groups, whole.Groups), groups, scales.AsSpan(row * groupCount, groupCount));
                if (zeros is not null)
                    Copy(whole.Zeros.AsSpan(source * whole.Groups, whole.Groups), groups, zeros.AsSpan(row * groupCount, groupCount));
            }
        }

        // Where columns are divided, each row has one scale or groups in order; else the order holds for every rank.
        var groupIndex = inWidth == whole.InWidth ? whole.GroupIndex : null;
        return new QuantizedWeight(outWidth, inWidth, whole.Bits, whole.Groups == 1 ? 0 : whole.GroupSize, codes, scales, zeros, groupIndex);
    }

    /// <summary>The parts of a vector; null stays null.</summary>
    public static float[]? Vector(float[]? whole, IReadOnlyList<WeightRange> ranges)
    {
        if (whole is null)
            return null;
        var part = new float[Length(ranges)];
        Copy<float>(whole, ranges, part);
        return part;
    }

    /// <summary>The groups of some columns.</summary>
    /// <param name="inWidth">Columns of the whole.</param>
    /// <param name="groupSize">Columns of a group.</param>
    /// <param name="isReordered">Whether act-order GPTQ has scattered the groups' columns.</param>
    /// <param name="columns">The columns.</param>
    /// <exception cref="InvalidInputException">A group would be divided.</exception>
    public static IReadOnlyList<WeightRange> Groups(int inWidth, int groupSize, bool isReordered, IReadOnlyList<WeightRange> columns)
    {
        var count = (inWidth + groupSize - 1) / groupSize;
        if (count == 1 || Length(columns) == inWidth)
            return [new WeightRange(0, count)];
        if (isReordered)
            throw new InvalidInputException(
                "its groups were formed in act-order, so that each has columns of several tensor-parallel ranks; quantize it again without act-order, or use it on one rank");
        var groups = new List<WeightRange>();
        foreach (var range in columns)
        {
            var end = range.Start + range.Length;
            if (range.Start % groupSize != 0 || (end % groupSize != 0 && end != inWidth))
                throw new InvalidInputException(
                    $"columns {range.Start} to {end - 1}, which one tensor-parallel rank holds, cut through a group of {groupSize} columns; use fewer ranks, or quantize it again with a group size that divides a rank's columns");
            groups.Add(new WeightRange(range.Start / groupSize, (end + groupSize - 1) / groupSize - range.Start / groupSize));
        }

        return groups;
    }

    public static int Length(IReadOnlyList<WeightRange> ranges) => checked((int)ranges.Sum(r => r.Length));

    private static void Copy<T>(ReadOnlySpan<T> whole, IReadOnlyList<WeightRange> ranges, Span<T> part)
    {
        foreach (var range in ranges)
        {
            whole.Slice((int)range.Start, (int)range.Length).CopyTo(part);
            part = part[(int)range.Length..];
        }
    }
}
