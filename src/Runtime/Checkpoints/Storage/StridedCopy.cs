using System.Runtime.CompilerServices;

namespace Generated.Checkpoints.Storage;

/// <summary>Copies a strided tensor into row-major order, with one copy per contiguous run where there are runs.</summary>
internal static class StridedCopy
{
    // Square tiles of a transposed matrix stay in L2. Measured for bfloat16: 128 transposes 3.1 GB/s, 64 2.5, 32 2.4, 16 1.3; more gains nothing.
    private const int Tile = 128;

    /// <param name="storage">Source bytes.</param>
    /// <param name="offset">Byte offset of the first element.</param>
    /// <param name="counts">Sizes, none zero.</param>
    /// <param name="strides">Bytes from one index to the next.</param>
    /// <param name="itemSize">1, 2, 4 or 8.</param>
    /// <param name="destination">Receives the elements, row-major.</param>
    public static void Gather(
        ByteStorage storage, long offset, IReadOnlyList<long> counts, ReadOnlySpan<long> strides, int itemSize, Span<byte> destination)
    {
        var (sizes, steps) = Collapse(counts, strides, itemSize);
        var axes = sizes.Count;
        if (axes == 0)
        {
            storage.Read(offset, destination);
            return;
        }

        if (steps[axes - 1] == itemSize)
        {
            var run = checked((int)(sizes[axes - 1] * itemSize));
            var position = 0;
            foreach (var start in Starts(offset, sizes, steps, axes - 1))
            {
                storage.Read(start, destination.Slice(position, run));
                position += run;
            }

            return;
        }

        Elements(storage, offset, sizes, steps, itemSize, destination);
    }

    /// <summary>As above, from memory.</summary>
    public static unsafe void Gather(byte* source, IReadOnlyList<long> counts, ReadOnlySpan<long> strides, int itemSize, Span<byte> destination)
    {
        var (sizes, steps) = Collapse(counts, strides, itemSize);
        if (sizes.Count == 0)
            new ReadOnlySpan<byte>(source, destination.Length).CopyTo(destination);
        else if (steps[^1] == itemSize)
            Runs(source, sizes, steps, itemSize, destination);
        else
            Elements(source, 0, sizes, steps, itemSize, destination);
    }

    private static unsafe void Runs(byte* source, List<long> sizes, List<long> steps, int itemSize, Span<byte> destination)
    {
        var run = (int)(sizes[^1] * itemSize);
        var position = 0;
        foreach (var start in Starts(0, sizes, steps, sizes.Count - 1))
        {
            new ReadOnlySpan<byte>(source + start, run).CopyTo(destination[position..]);
            position += run;
        }
    }

    private static unsafe void Elements(
        ByteStorage storage, long offset, List<long> sizes, List<long> steps, int itemSize, Span<byte> destination)
    {
        if (storage.Address != null)
        {
            Elements(storage.Address, offset, sizes, steps, itemSize, destination);
            return;
        }

        var copy = new byte[checked((int)storage.Length)];
        storage.Read(0, copy);
        fixed (byte* held = copy)
            Elements(held, offset, sizes, steps, itemSize, destination);
    }

    private static unsafe void Elements(byte* source, long offset, List<long> sizes, List<long> steps, int itemSize, Span<byte> destination)
    {
        // The last two axes are a matrix (one row of it where there is only one axis); outer axes are walked.
        var axes = sizes.Count;
        var rows = axes > 1 ? (int)sizes[axes - 2] : 1;
        var rowStep = axes > 1 ? steps[axes - 2] : 0;
        var columns = (int)sizes[axes - 1];
        var matrix = checked(rows * columns * itemSize);
        var position = 0;
        fixed (byte* target = destination)
        {
            foreach (var start in Starts(offset, sizes, steps, axes - 2))
            {
                switch (itemSize)
                {
                    case 1: Matrix((byte*)(source + start), rows, rowStep, columns, steps[axes - 1], (byte*)(target + position)); break;
                    case 2: Matrix((ushort*)(source + start), rows, rowStep, columns, steps[axes - 1], (ushort*)(target + position)); break;
                    case 4: Matrix((uint*)(source + start), rows, rowStep, columns, steps[axes - 1], (uint*)(target + position)); break;
                    default: Matrix((ulong*)(source + start), rows, rowStep, columns, steps[axes - 1], (ulong*)(target + position)); break;
                }

                position += matrix;
            }
        }
    }

    private static unsafe void Matrix<T>(T* source, int rows, long rowStep, int columns, long columnStep, T* target)
        where T : unmanaged
    {
        // Of a transposed matrix, blocks of one vector by one vector are exchanged in registers; the edges go element by element.
        var block = rowStep == sizeof(T) ? TransposeKernel.BlockSize(sizeof(T)) : 0;
        for (var row0 = 0; row0 < rows; row0 += Tile)
        {
            var row1 = Math.Min(row0 + Tile, rows);
            for (var column0 = 0; column0 < columns; column0 += Tile)
            {
                var column1 = Math.Min(column0 + Tile, columns);
                var (row, rowEnd, columnEnd) = (row0, row0, column0);
                if (block > 0)
                {
                    rowEnd = row1 - ((row1 - row0) % block);
                    columnEnd = column1 - ((column1 - column0) % block);
                    for (; row < rowEnd; row += block)
                    {
                        for (var column = column0; column < columnEnd; column += block)
                        {
                            TransposeKernel.Block(
                                (byte*)source + (row * rowStep) + (column * columnStep), columnStep,
                                (byte*)(target + ((long)row * columns) + column), (long)columns * sizeof(T), sizeof(T));
                        }
                    }
                }

                Edge(source, row0, rowEnd, rowStep, columnEnd, column1, columns, columnStep, target);
                Edge(source, rowEnd, row1, rowStep, column0, column1, columns, columnStep, target);
            }
        }
    }

    private static unsafe void Edge<T>(
        T* source, int row0, int row1, long rowStep, int column0, int column1, int columns, long columnStep, T* target)
        where T : unmanaged
    {
        for (var row = row0; row < row1; row++)
        {
            var from = (byte*)source + (row * rowStep) + (column0 * columnStep);
            var to = target + ((long)row * columns) + column0;
            for (var column = column0; column < column1; column++, from += columnStep, to++)
                *to = Unsafe.ReadUnaligned<T>(from);
        }
    }

    /// <summary>Drops axes of size 1 and joins neighbours that lie one after another.</summary>
    private static (List<long> Sizes, List<long> Steps) Collapse(IReadOnlyList<long> counts, ReadOnlySpan<long> strides, int itemSize)
    {
        var sizes = new List<long>(counts.Count);
        var steps = new List<long>(counts.Count);
        for (var axis = 0; axis < counts.Count; axis++)
        {
            if (counts[axis] == 1)
                continue;
            if (sizes.Count > 0 && steps[^1] == strides[axis] * counts[axis])
            {
                sizes[^1] *= counts[axis];
                steps[^1] = strides[axis];
            }
            else
            {
                sizes.Add(counts[axis]);
                steps.Add(strides[axis]);
            }
        }

        if (sizes.Count == 1 && steps[0] == itemSize)
        {
            sizes.Clear();
            steps.Clear();
        }

        return (sizes, steps);
    }

    /// <summary>Byte offsets of all index combinations of the first <paramref name="axes"/> axes, in row-major order.</summary>
    private static IEnumerable<long> Starts(long offset, List<long> sizes, List<long> steps, int axes)
    {
        axes = Math.Max(axes, 0);
        var index = new long[axes];
        while (true)
        {
            yield return offset;
            var axis = axes - 1;
            for (; axis >= 0; axis--)
            {
                offset += steps[axis];
                if (++index[axis] < sizes[axis])
                    break;
                offset -= index[axis] * steps[axis];
                index[axis] = 0;
            }

            if (axis < 0)
                yield break;
        }
    }
}
