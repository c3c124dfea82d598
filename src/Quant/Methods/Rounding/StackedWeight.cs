using System.Runtime.InteropServices;
using Generated.Quant.Recipes;
using Generated.Quant.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>A weight that is quantized some rows at a time, whose codes go to their places at once: nothing is held twice.</summary>
/// <param name="outWidth">Rows of the whole.</param>
/// <param name="inWidth">Columns.</param>
/// <param name="format">The format of all rows.</param>
internal sealed class StackedWeight(int outWidth, int inWidth, WeightFormat format)
{
    private QuantizedWeight? _whole;
    private int _rows;

    /// <summary>The whole weight.</summary>
    /// <exception cref="InvalidOperationException">Rows are missing.</exception>
    public QuantizedWeight Whole => _whole is not null && _rows == outWidth ? _whole : throw new InvalidOperationException($"{_rows} of {outWidth} rows are quantized.");

    /// <summary>Adds the next rows.</summary>
    /// <param name="codes">[rows, inWidth], whole numbers from 0 on.</param>
    /// <param name="scale">[rows, groups].</param>
    /// <param name="zero">[rows, groups], whole numbers; null where symmetric.</param>
    /// <param name="groupIndex">Group of each column, the same for all rows; null where columns are in order.</param>
    public void Add(Tensor codes, Tensor scale, Tensor? zero, int[]? groupIndex = null)
    {
        var groups = scale.shape[1];
        _whole ??= new QuantizedWeight(
            outWidth, inWidth, format.Bits, WeightGrid.GroupSize(format, inWidth), new byte[(long)outWidth * inWidth], new float[outWidth * groups],
            zero is null ? null : new byte[outWidth * groups], groupIndex);
        Put(codes, ScalarType.Byte, _whole.Codes, (long)_rows * inWidth);
        Put(scale, ScalarType.Float32, _whole.Scales, _rows * groups);
        if (zero is not null)
            Put(zero, ScalarType.Byte, _whole.Zeros!, _rows * groups);
        _rows += (int)codes.shape[0];
    }

    /// <summary>What some of the rows that have been added stand for, float32 [rows, inWidth]; the caller's.</summary>
    public Tensor Dequantize(int start, int rows, Device device) => _whole!.Dequantize(start, rows, device);

    private static void Put<T>(Tensor values, ScalarType type, T[] target, long start)
        where T : unmanaged
    {
        using var scope = NewDisposeScope();
        var host = values.to_type(type).cpu().contiguous();
        host.data<T>().CopyTo(MemoryMarshal.CreateSpan(ref target[start], (int)host.numel()));
    }
}
