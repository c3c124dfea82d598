using System.Buffers;

namespace Generated.Checkpoints.Views;

/// <summary>Floating-point values in another dtype.</summary>
internal sealed class ConvertView : TensorView
{
    private readonly TensorView _inner;

    private ConvertView(TensorView inner, TensorInfo info)
        : base(info) => _inner = inner;

    public static TensorView Create(TensorView inner, DType dtype) =>
        inner.Info.DType == dtype || !FloatConversion.IsFloat(inner.Info.DType)
            ? inner
            : FloatConversion.IsFloat(dtype)
                ? new ConvertView(inner, new TensorInfo(inner.Info.Name, dtype, [.. inner.Info.Shape]))
                : throw new InvalidInputException($"Tensor {inner.Info} cannot be converted to {dtype.SafetensorsName()}; choose F32, F16, BF16 or F64.");

    private protected override void ReadCore(TensorSlice slice, Span<byte> destination)
    {
        var length = checked((int)(slice.ElementCount * _inner.Info.DType.Size()));
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        _inner.Read(slice, buffer.AsSpan(0, length));
        FloatConversion.Convert(buffer.AsSpan(0, length), _inner.Info.DType, destination, Info.DType);
        ArrayPool<byte>.Shared.Return(buffer);
    }
}
