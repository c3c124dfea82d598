namespace Generated.Quant.Kernels;

/// <summary>
/// The order in which act-order GPTQ left a weight's columns: their groups (g_idx) are scattered, so columns are sorted by group when
/// packed and activations are read in that order.
/// </summary>
internal static class ColumnOrder
{
    /// <summary>Stable order of columns by group, or null when they are in order already.</summary>
    /// <param name="groupIndex">Group of each column; empty means column / groupSize.</param>
    /// <param name="inWidth">Number of columns.</param>
    /// <param name="groupSize">Columns per group; the last group may be shorter.</param>
    /// <exception cref="InvalidInputException">A group does not have its number of columns.</exception>
    public static int[]? Of(ReadOnlySpan<int> groupIndex, int inWidth, int groupSize)
    {
        if (groupIndex.IsEmpty)
            return null;
        if (groupIndex.Length != inWidth)
            throw new InvalidInputException($"g_idx has {groupIndex.Length} entries for {inWidth} columns; it needs one per column.");
        var groups = (inWidth + groupSize - 1) / groupSize;
        var next = new int[groups];
        var order = new int[inWidth];
        var sorted = true;
        for (var column = 0; column < inWidth; column++)
        {
            var group = groupIndex[column];
            if ((uint)group >= (uint)groups)
                throw new InvalidInputException($"g_idx puts column {column} into group {group}; there are {groups}.");
            var place = group * groupSize + next[group]++;
            if (place >= inWidth || next[group] > groupSize)
                throw new InvalidInputException($"g_idx puts more columns into group {group} than the group size {groupSize} allows.");
            order[place] = column;
            sorted &= place == column;
        }
        return sorted ? null : order;
    }
}
