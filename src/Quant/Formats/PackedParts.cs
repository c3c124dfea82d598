using System.Runtime.InteropServices;
using Generated.Checkpoints;
using Generated.Layers;
using Generated.Quant.Kernels;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using Generated.Quant.Weights;

namespace Generated.Quant.Formats;

/// <summary>Reads one rank's part of a linear in the own format, codes straight from the file into their place.</summary>
internal static class PackedParts
{
    private const int Block = 32;

    /// <param name="file">The checkpoint, whose tensors are those of the format.</param>
    /// <param name="name">Name of the linear.</param>
    /// <param name="format">What is stored.</param>
    /// <param name="place">The layer.</param>
    /// <exception cref="InvalidInputException">A group would be divided over ranks, or a value is impossible.</exception>
    public static LinearPart Read(ITensorSource file, string name, LinearFormat format, Linear place)
    {
        var groupIndex = format.HasOrder ? Values<int>(file, name + LinearTensors.GroupIndex) : null;
        var groups = LinearShare.Groups(place.InWidth, format.GroupSize == 0 ? place.InWidth : format.GroupSize, groupIndex is not null, place.InputRanges);
        var scales = Scales(file, name + LinearTensors.Scales, place.OutputRanges, groups);
        var zeros = format.HasZeros ? Rows(file, name + LinearTensors.Zeros, place.OutputRanges, groups) : null;
        var matrix = IsAligned(place)
            ? Direct(file, name, format, place, scales, zeros, groupIndex)
            : Repacked(file, name, format, place, scales, zeros);
        return new LinearPart
        {
            Matrix = matrix,
            Bias = format.HasBias ? LinearShare.Vector(Values<float>(file, name + LinearTensors.Bias), place.OutputRanges) : null,
            Input = Transform(file, name, format, place),
            Activations = format.Activations is { } per ? new ActivationFormat { Per = per } : null,
            InputScale = format.Activations == ActivationGranularity.Tensor ? Values<float>(file, name + LinearTensors.InputScale)[0] : null,
        };
    }

    /// <summary>The whole weight, unpacked.</summary>
    public static QuantizedWeight ReadWeight(ITensorSource file, string name, LinearFormat format, int outWidth, int inWidth)
    {
        IReadOnlyList<WeightRange> rows = [new(0, outWidth)], groups = [new(0, format.Groups(inWidth))];
        var groupIndex = format.HasOrder ? Values<int>(file, name + LinearTensors.GroupIndex) : null;
        var order = ColumnOrder.Of(groupIndex, inWidth, format.GroupSize);
        var packed = Values<byte>(file, name + LinearTensors.Codes);
        var codes = new byte[(long)outWidth * inWidth];
        var rowBytes = (int)format.RowBytes(inWidth);
        for (var row = 0; row < outWidth; row++)
        {
            var source = packed.AsSpan(row * rowBytes, rowBytes);
            for (var k = 0; k < inWidth; k++)
                codes[(long)row * inWidth + (order is null ? k : order[k])] = Code(source, k, format.Bits);
        }

        return new QuantizedWeight(
            outWidth, inWidth, format.Bits, format.GroupSize, codes, Scales(file, name + LinearTensors.Scales, rows, groups),
            format.HasZeros ? Rows(file, name + LinearTensors.Zeros, rows, groups) : null, groupIndex);
    }

    /// <summary>The inserted operation of a linear, for one rank; null for none.</summary>
    public static InputTransform? Transform(ITensorSource file, string name, LinearFormat format, Linear place) => !format.HasShift && !format.HasDivisor
        ? null
        : LinearPart.Cut(
            new InputTransform(
                format.HasShift ? Values<float>(file, name + LinearTensors.InputShift) : null,
                format.HasDivisor ? Values<float>(file, name + LinearTensors.InputDivisor) : null), place);

    /// <summary>All values of a tensor.</summary>
    public static T[] Values<T>(ITensorSource file, string name)
        where T : unmanaged
    {
        var values = new T[file.Info(name).ElementCount];
        file.Read(name, MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    /// <summary>Whether this rank's columns are whole blocks of codes.</summary>
    private static bool IsAligned(Linear place) =>
        place.InputRanges is [var range] && range.Start % Block == 0 && (range.Length % Block == 0 || range.Start + range.Length == place.InWidth);

    private static PackedMatrix Direct(ITensorSource file, string name, LinearFormat format, Linear place, float[] scales, byte[]? zeros, int[]? groupIndex)
    {
        var blockBytes = Block * format.Bits / 8;
        var columns = place.InputRanges[0];
        var bytes = new WeightRange(columns.Start / Block * blockBytes, (columns.Length + Block - 1) / Block * blockBytes);
        PackedReader read = destination => ReadInto(file, name + LinearTensors.Codes, place.OutputRanges, [bytes], destination);
        return format.Bits == 4
            ? PackedInt4Matrix.FromPacked(place.LocalOutWidth, place.LocalInWidth, read, scales, format.GroupSize, zeros, groupIndex)
            : PackedInt8Matrix.FromPacked(place.LocalOutWidth, place.LocalInWidth, read, scales, format.GroupSize, Signed(zeros), groupIndex);
    }

    /// <summary>Columns that cut through blocks of codes (one scale per output, so that no group is cut) are unpacked and packed again.</summary>
    private static PackedMatrix Repacked(ITensorSource file, string name, LinearFormat format, Linear place, float[] scales, byte[]? zeros)
    {
        var packed = Rows(file, name + LinearTensors.Codes, place.OutputRanges, [new WeightRange(0, format.RowBytes(place.InWidth))]);
        var codes = new byte[(long)place.LocalOutWidth * place.LocalInWidth];
        var rowBytes = (int)format.RowBytes(place.InWidth);
        var next = 0;
        for (var row = 0; row < place.LocalOutWidth; row++)
        {
            var source = packed.AsSpan(row * rowBytes, rowBytes);
            foreach (var range in place.InputRanges)
            {
                for (var k = (int)range.Start; k < range.Start + range.Length; k++)
                    codes[next++] = Code(source, k, format.Bits);
            }
        }

        return LinearPart.Pack(new QuantizedWeight(place.LocalOutWidth, place.LocalInWidth, format.Bits, format.GroupSize, codes, scales, zeros));
    }

    private static byte Code(ReadOnlySpan<byte> row, int column, int bits) =>
        bits == 4 ? (byte)((row[Int4Codes.ByteOf(column)] >> Int4Codes.ShiftOf(column)) & 15) : (byte)(row[column] + 128);

    private static short[]? Signed(byte[]? zeros) => zeros is null ? null : Array.ConvertAll(zeros, z => (short)(z - 128));

    private static float[] Scales(ITensorSource file, string name, IReadOnlyList<WeightRange> rows, IReadOnlyList<WeightRange> groups)
    {
        var bytes = Rows(file, name, rows, groups);
        return file.Info(name).DType == DType.F16
            ? Array.ConvertAll(MemoryMarshal.Cast<byte, Half>(bytes).ToArray(), h => (float)h)
            : MemoryMarshal.Cast<byte, float>(bytes).ToArray();
    }

    private static byte[] Rows(ITensorSource file, string name, IReadOnlyList<WeightRange> rows, IReadOnlyList<WeightRange> columns)
    {
        var bytes = new byte[rows.Sum(r => r.Length) * columns.Sum(c => c.Length) * file.Info(name).DType.Size()];
        ReadInto(file, name, rows, columns, bytes);
        return bytes;
    }

    private static void ReadInto(ITensorSource file, string name, IReadOnlyList<WeightRange> rows, IReadOnlyList<WeightRange> columns, Span<byte> destination)
    {
        var info = file.Info(name);
        foreach (var row in rows)
        {
            if (columns.Count == 1)
            {
                Take(TensorSlice.Along(info, 0, row.Start, row.Length).Narrow(1, columns[0].Start, columns[0].Length), ref destination);
                continue;
            }

            for (var i = row.Start; i < row.Start + row.Length; i++)
                foreach (var column in columns)
                    Take(TensorSlice.Along(info, 0, i, 1).Narrow(1, column.Start, column.Length), ref destination);
        }

        void Take(TensorSlice slice, ref Span<byte> rest)
        {
            var length = checked((int)(slice.ElementCount * info.DType.Size()));
            file.Read(name, slice, rest[..length]);
            rest = rest[length..];
        }
    }
}
