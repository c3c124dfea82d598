using Generated.Checkpoints.Pickle;

namespace Generated.Checkpoints.Torch;

/// <summary>A storage that lies outside the pickle.</summary>
/// <param name="Key">Its name in the archive.</param>
/// <param name="DType">Element type, or null for an untyped storage, whose <paramref name="Count"/> is bytes.</param>
/// <param name="Count">Number of elements.</param>
internal sealed record TorchStorage(string Key, DType? DType, long Count);

/// <summary>A strided view of a storage.</summary>
internal sealed record TorchTensor(TorchStorage Storage, DType DType, long Offset, long[] Shape, long[] Strides);

/// <summary>The torch and Python objects of a state dict that torch.save wrote: recognised, never executed.</summary>
internal sealed class TorchTypes : IPickleTypes
{
    private static readonly PickleGlobal OrderedDict = new("collections.OrderedDict");
    private static readonly PickleGlobal RebuildTensor = new("torch._utils._rebuild_tensor");
    private static readonly PickleGlobal RebuildTensorV2 = new("torch._utils._rebuild_tensor_v2");
    private static readonly PickleGlobal RebuildTensorV3 = new("torch._utils._rebuild_tensor_v3");
    private static readonly PickleGlobal RebuildParameter = new("torch._utils._rebuild_parameter");
    private static readonly PickleGlobal Size = new("torch.Size");

    /// <summary>A storage class (<c>torch.HalfStorage</c>); no dtype for an untyped one.</summary>
    private sealed record StorageType(DType? DType);

    /// <summary><c>torch.float16</c> as a value.</summary>
    private sealed record DTypeValue(DType DType);

    public object? Find(string module, string name) => (module, name) switch
    {
        ("collections", "OrderedDict") => OrderedDict,
        ("torch._utils", "_rebuild_tensor") => RebuildTensor,
        ("torch._utils", "_rebuild_tensor_v2") => RebuildTensorV2,
        ("torch._utils", "_rebuild_tensor_v3") => RebuildTensorV3,
        ("torch._utils", "_rebuild_parameter") => RebuildParameter,
        ("torch", "Size") => Size,
        ("torch.storage", "UntypedStorage") or ("torch", "UntypedStorage") => new StorageType(DType: null),
        ("torch" or "torch.cuda", _) when StorageDType(name) is { } dtype => new StorageType(dtype),
        ("torch", _) when ValueDType(name) is { } dtype => new DTypeValue(dtype),
        _ => null,
    };

    public object? Call(object? function, PickleTuple arguments) => (function, arguments.Items) switch
    {
        (PickleGlobal f, []) when f == OrderedDict => new PickleDict(),
        (PickleGlobal f, [PickleTuple size]) when f == Size => size,
        (PickleGlobal f, [TorchStorage { DType: { } dtype } storage, long offset, PickleTuple shape, PickleTuple strides, ..])
            when f == RebuildTensor || f == RebuildTensorV2 => new TorchTensor(storage, dtype, offset, Numbers(shape), Numbers(strides)),
        (PickleGlobal f, [TorchStorage storage, long offset, PickleTuple shape, PickleTuple strides, bool, _, DTypeValue dtype, ..])
            when f == RebuildTensorV3 => new TorchTensor(storage, dtype.DType, offset, Numbers(shape), Numbers(strides)),
        (PickleGlobal f, [TorchTensor tensor, ..]) when f == RebuildParameter => tensor,
        (PickleGlobal f, _) => throw new PickleTypeException($"it calls {f.Name} in a way that no state dict does"),
        _ => throw new PickleTypeException("it calls something that is not a function"),
    };

    public void SetState(object? target, object? state)
    {
        // Attributes that were set on a parameter say nothing about its values.
        if (target is not TorchTensor)
            throw new PickleTypeException("an object has a state that no state dict gives it");
    }

    public object? Persistent(object? id)
    {
        // ("storage", type, key, device, number of elements), and in the legacy format a view that newer torch never writes.
        if (id is not PickleTuple { Items: [PickleBytes kind, StorageType type, PickleBytes key, PickleBytes, long count, .. var view] }
            || !kind.Is("storage") || count < 0)
        {
            throw new PickleTypeException("it refers to outside data that is not a storage");
        }

        if (view is [not null, ..])
            throw new PickleTypeException("it holds a view of a storage, as torch before 0.4 saved it; save it again with a newer torch");
        return new TorchStorage(key.ToText(), type.DType, count);
    }

    private static DType? StorageDType(string name) => name switch
    {
        "FloatStorage" => DType.F32,
        "HalfStorage" => DType.F16,
        "BFloat16Storage" => DType.BF16,
        "DoubleStorage" => DType.F64,
        "LongStorage" => DType.I64,
        "IntStorage" => DType.I32,
        "ShortStorage" => DType.I16,
        "CharStorage" => DType.I8,
        "ByteStorage" => DType.U8,
        "BoolStorage" => DType.Bool,
        _ => null,
    };

    private static DType? ValueDType(string name) => name switch
    {
        "float32" => DType.F32,
        "float16" => DType.F16,
        "bfloat16" => DType.BF16,
        "float64" => DType.F64,
        "int64" => DType.I64,
        "int32" => DType.I32,
        "int16" => DType.I16,
        "int8" => DType.I8,
        "uint8" => DType.U8,
        "uint16" => DType.U16,
        "uint32" => DType.U32,
        "uint64" => DType.U64,
        "bool" => DType.Bool,
        "float8_e4m3fn" => DType.F8E4M3,
        "float8_e5m2" => DType.F8E5M2,
        _ => null,
    };

    private static long[] Numbers(PickleTuple sizes) =>
        Array.ConvertAll(sizes.Items, size => size is long known ? known : throw new PickleTypeException("a shape or stride holds something that is not a number"));
}
