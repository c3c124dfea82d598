using Generated.Checkpoints.Pickle;
using Generated.Checkpoints.Storage;

namespace Generated.Checkpoints.Paddle;

/// <summary>A numpy array of a pickle; its data is a range of the file.</summary>
internal sealed class NumpyArray
{
    public DType DType { get; set; }

    public long[] Shape { get; set; } = [];

    /// <summary>Column-major data.</summary>
    public bool IsFortran { get; set; }

    /// <summary>Null until the array got its state.</summary>
    public PickleBytes? Data { get; set; }

    /// <summary>Whether <see cref="Data"/> is text of which each character is one byte.</summary>
    public bool IsLatin1 { get; set; }

    /// <summary>The bytes of the array.</summary>
    public ByteStorage Storage(MappedFile file, long length) =>
        IsLatin1 ? new Latin1Storage(file, Data!, length) : new MappedStorage(file, Data!.Offset, Data.Length);
}

/// <summary>The numpy and Python objects that paddle.save writes, and how each is built: recognised, never executed.</summary>
internal sealed class NumpyTypes : IPickleTypes
{
    private static readonly PickleGlobal Reconstruct = new("numpy.core.multiarray._reconstruct");
    private static readonly PickleGlobal FromBuffer = new("numpy.core.numeric._frombuffer");
    private static readonly PickleGlobal Scalar = new("numpy.core.multiarray.scalar");
    private static readonly PickleGlobal NdArray = new("numpy.ndarray");
    private static readonly PickleGlobal NumpyDType = new("numpy.dtype");
    private static readonly PickleGlobal Tuple = new("builtins.tuple");
    private static readonly PickleGlobal Eval = new("builtins.eval");
    private static readonly PickleGlobal OrderedDict = new("collections.OrderedDict");
    private static readonly PickleGlobal Encode = new("_codecs.encode");

    private sealed class Descriptor(DType dtype)
    {
        public DType DType => dtype;
    }

    private sealed record Latin1(PickleBytes Text);

    public object? Find(string module, string name) => (module, name) switch
    {
        ("numpy.core.multiarray" or "numpy._core.multiarray", "_reconstruct") => Reconstruct,
        ("numpy.core.multiarray" or "numpy._core.multiarray", "scalar") => Scalar,
        ("numpy.core.numeric" or "numpy._core.numeric", "_frombuffer") => FromBuffer,
        ("numpy", "ndarray") => NdArray,
        ("numpy", "dtype") => NumpyDType,
        ("builtins" or "__builtin__", "tuple") => Tuple,
        ("builtins" or "__builtin__", "eval") => Eval,
        ("collections", "OrderedDict") => OrderedDict,
        ("_codecs", "encode") => Encode,
        _ => null,
    };

    public object? Call(object? function, PickleTuple arguments) => (function, arguments.Items) switch
    {
        (PickleGlobal f, [PickleGlobal type, PickleTuple, ..]) when f == Reconstruct && type == NdArray => new NumpyArray(),
        (PickleGlobal f, [PickleBytes code, ..]) when f == NumpyDType => ReadDType(code.ToText()),
        (PickleGlobal f, [PickleBytes data, Descriptor dtype, PickleTuple shape, PickleBytes order]) when f == FromBuffer => new NumpyArray
        {
            Data = data,
            DType = dtype.DType,
            Shape = Sizes(shape),
            IsFortran = order.Is("F"),
        },
        (PickleGlobal f, [Descriptor dtype, var data]) when f == Scalar => Filled(new NumpyArray(), dtype, [], false, data),
        (PickleGlobal f, [PickleTuple items]) when f == Tuple => items,
        (PickleGlobal f, []) when f == OrderedDict => new PickleDict(),
        (PickleGlobal f, [PickleList pairs]) when f == OrderedDict => FromPairs(pairs),
        (PickleGlobal f, [PickleBytes { IsText: true } text, PickleBytes encoding]) when f == Encode && encoding.Is("latin1") => new Latin1(text),

        // How paddle pickles a static-graph LoDTensor: eval('data', {'data': array}). The meaning is known, so nothing is evaluated.
        (PickleGlobal f, [PickleBytes code, PickleDict { Items.Count: 1 } scope]) when f == Eval && code.Is("data")
            && scope.Items.TryGetValue("data", out var value) && value is NumpyArray => value,
        (PickleGlobal f, _) when f == Eval => throw new PickleTypeException(
            "it asks to evaluate Python code, which is never done; do not load this file in Python either"),
        (PickleGlobal f, _) => throw new PickleTypeException($"it calls {f.Name} in a way that no checkpoint does"),
        _ => throw new PickleTypeException("it calls something that is not a function"),
    };

    public void SetState(object? target, object? state)
    {
        switch (target, state)
        {
            case (NumpyArray { Data: null } array, PickleTuple { Items: [long, PickleTuple shape, Descriptor dtype, bool isFortran, var data] }):
                Filled(array, dtype, Sizes(shape), isFortran, data);
                break;
            case (Descriptor dtype, PickleTuple { Items: [long, PickleBytes order, null, null, null, ..] }):
                if (!order.Is("<") && !order.Is("|") && !order.Is("="))
                    throw new PickleTypeException($"it holds big-endian data ({dtype.DType})");
                break;
            default:
                throw new PickleTypeException("an object has a state that no checkpoint gives it");
        }
    }

    public object? Persistent(object? id) => throw new PickleTypeException("it refers to data outside of itself, as a file of torch.save does");

    private static NumpyArray Filled(NumpyArray array, Descriptor dtype, long[] shape, bool isFortran, object? data)
    {
        (array.Data, array.IsLatin1) = data switch
        {
            PickleBytes { IsText: false } bytes => (bytes, false),
            Latin1 encoded => (encoded.Text, true),
            _ => throw new PickleTypeException("an array's data is not bytes"),
        };
        array.DType = dtype.DType;
        array.Shape = shape;
        array.IsFortran = isFortran;
        return array;
    }

    private static Descriptor ReadDType(string code) =>
        DTypes.TryParseNumpy(code.TrimStart('<', '|', '='), out var dtype)
            ? new Descriptor(dtype)
            : throw new PickleTypeException($"it holds an array of numpy dtype {Describe.Name(code)}, which is not supported");

    private static long[] Sizes(PickleTuple shape) =>
        Array.ConvertAll(shape.Items, size => size is long known ? known : throw new PickleTypeException("a shape holds something that is not a number"));

    private static PickleDict FromPairs(PickleList pairs)
    {
        var dict = new PickleDict();
        foreach (var pair in pairs.Items)
        {
            switch (pair)
            {
                case PickleTuple { Items: [var key, var value] }: dict.Set(key, value); break;
                case PickleList { Items: [var key, var value] }: dict.Set(key, value); break;
                default: throw new PickleTypeException("a dict is made of something that is not pairs");
            }
        }

        return dict;
    }
}
