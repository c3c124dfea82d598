using System.Buffers.Binary;
using System.Text;
using Generated.Checkpoints.Writing;

namespace Generated.Checkpoints.Paddle;

/// <summary>
/// Lays out <c>model_state.pdparams</c>: the pickle (protocol 4) that paddle.save writes for a layer's state dict, a dict of numpy arrays
/// with the table of parameter names behind them. Framing and memo numbers are CPython's, so equal content gives CPython's bytes.
/// (Format: python/paddle/framework/io.py, _legacy_save; CPython Modules/_pickle.c.)
/// </summary>
internal sealed class PaddleLayout
{
    /// <summary>CPython ends a frame at the first object beyond this size, and keeps larger bytes outside of frames.</summary>
    private const int FrameTarget = 1 << 16;

    private const int BatchSize = 1000;

    private const byte Proto = 0x80, Frame = 0x95, Memoize = 0x94, StackGlobal = 0x93, NewTrue = 0x88, NewFalse = 0x89;
    private const byte ShortText = 0x8c, Bytes8 = 0x8e, Tuple1 = 0x85, Long1 = 0x8a;

    private readonly FileLayout _layout = new();
    private readonly List<byte> _pending = [];
    private readonly Dictionary<string, int> _memo = new(StringComparer.Ordinal);
    private byte[]? _frameHeader;
    private long _frameStart;
    private int _memoized;

    private PaddleLayout()
    {
    }

    /// <param name="tensors">In the order of the dict.</param>
    /// <param name="parameterNames">Paddle's parameter name by tensor name; a tensor without one gets its own name, which Paddle accepts.</param>
    /// <exception cref="InvalidInputException">numpy has no such dtype, or a name appears twice.</exception>
    public static FileLayout Create(IReadOnlyList<TensorInfo> tensors, IReadOnlyDictionary<string, string> parameterNames)
    {
        var layout = new PaddleLayout();
        layout._layout.Append(new byte[] { Proto, 4 });
        layout.StateDict(tensors, parameterNames);
        return layout._layout;
    }

    private void StateDict(IReadOnlyList<TensorInfo> tensors, IReadOnlyDictionary<string, string> parameterNames)
    {
        Object();
        Write((byte)'}');
        Remember();
        Items([.. tensors.Select(Entry), NameTable]);
        Write((byte)'.');
        CloseFrame();

        Action Entry(TensorInfo tensor) => () =>
        {
            Text("name:" + tensor.Name, tensor.Name);
            Array(tensor);
        };

        void NameTable()
        {
            Text(null, PaddleFile.NameTable);
            Object();
            Write((byte)'}');
            Remember();
            Items([.. tensors.Select(tensor => (Action)(() =>
            {
                Text("name:" + tensor.Name, tensor.Name);
                // Tied tensors are one parameter, whose name is one object.
                var parameter = parameterNames.GetValueOrDefault(tensor.Name, tensor.Name);
                Text("parameter:" + parameter, parameter);
            }))]);
        }
    }

    /// <summary>Sets the items of the dict on the stack, as many at once as CPython does.</summary>
    private void Items(IReadOnlyList<Action> items)
    {
        if (items.Count == 1)
        {
            items[0]();
            Write((byte)'s');
            return;
        }

        foreach (var batch in items.Chunk(BatchSize))
        {
            Write((byte)'(');
            foreach (var item in batch)
                item();
            Write((byte)'u');
        }
    }

    /// <summary>_reconstruct(ndarray, (0,), b'b'), then its state: version, shape, dtype, whether column-major, data.</summary>
    private void Array(TensorInfo tensor)
    {
        Object();
        Global("numpy.core.multiarray", "_reconstruct");
        Object();
        Global("numpy", "ndarray");
        Numbers([0]);
        if (!Recall("bytes:b"))
        {
            Write((byte)'C', 1, (byte)'b');
            Remember("bytes:b");
        }

        Write(0x87);
        Remember();
        Write((byte)'R');
        Remember();

        Object();
        Write((byte)'(');
        Number(1);
        Numbers(tensor.Shape);
        DType(tensor.DType);
        Object();
        Write(NewFalse);
        Data(tensor);
        Write((byte)'t');
        Remember();
        Write((byte)'b');
    }

    private void DType(DType dtype)
    {
        var code = dtype.NumpyCode();
        if (Recall("dtype:" + code))
            return;
        Global("numpy", "dtype");
        Object();
        Text(null, code);
        Object();
        Write(NewFalse);
        Object();
        Write(NewTrue, 0x87);
        Remember();
        Write((byte)'R');
        Remember("dtype:" + code);
        Object();
        Write((byte)'(');
        Number(3);
        var order = dtype.Size() == 1 ? "|" : "<";
        Text("order:" + order, order);
        for (var i = 0; i < 3; i++)
        {
            Object();
            Write((byte)'N');
        }

        Number(-1);
        Number(-1);
        Number(0);
        Write((byte)'t');
        Remember();
        Write((byte)'b');
    }

    private void Data(TensorInfo tensor)
    {
        Object();
        var length = tensor.ByteCount;
        if (length >= FrameTarget)
            CloseFrame();
        Span<byte> header = stackalloc byte[9];
        if (length <= byte.MaxValue)
        {
            Write((byte)'C', (byte)length);
        }
        else
        {
            header[0] = length <= uint.MaxValue ? (byte)'B' : Bytes8;
            BinaryPrimitives.WriteInt64LittleEndian(header[1..], length);
            header = header[..(length <= uint.MaxValue ? 5 : 9)];
            if (length < FrameTarget)
                Write(header);
            else
                _layout.Append(header.ToArray());
        }

        Flush();
        _layout.Append(tensor);
        Remember();
    }

    private void Global(string module, string name)
    {
        // The same function is the same object to CPython; its module's name is shared with other functions of the module.
        if (Recall($"global:{module}.{name}"))
            return;
        Text("module:" + module, module);
        Text(null, name);
        Write(StackGlobal);
        Remember($"global:{module}.{name}");
    }

    private void Numbers(IReadOnlyList<long> sizes)
    {
        Object();
        if (sizes.Count == 0)
        {
            Write((byte)')');
            return;
        }

        if (sizes.Count > 3)
            Write((byte)'(');
        foreach (var size in sizes)
            Number(size);
        Write(sizes.Count > 3 ? (byte)'t' : (byte)(Tuple1 + sizes.Count - 1));
        Remember();
    }

    private void Number(long value)
    {
        Object();
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        switch (value)
        {
            case >= 0 and <= byte.MaxValue: Write((byte)'K', bytes[0]); break;
            case >= 0 and <= ushort.MaxValue: Write((byte)'M', bytes[0], bytes[1]); break;
            case >= int.MinValue and <= int.MaxValue: Write((byte)'J', bytes[0], bytes[1], bytes[2], bytes[3]); break;
            default:
                // Two's complement without superfluous leading bytes; sizes are not negative here.
                var length = 8 - (System.Numerics.BitOperations.LeadingZeroCount((ulong)value) - 1) / 8;
                Write(Long1, (byte)length);
                Write(bytes[..length]);
                break;
        }
    }

    /// <param name="key">Under which the text is recalled when it comes again, or null.</param>
    /// <param name="text">The text.</param>
    private void Text(string? key, string text)
    {
        Object();
        if (key is not null && Recalled(key))
            return;
        var bytes = Encoding.UTF8.GetBytes(text);
        if (bytes.Length <= byte.MaxValue)
        {
            Write(ShortText, (byte)bytes.Length);
        }
        else
        {
            Span<byte> header = stackalloc byte[5];
            header[0] = (byte)'X';
            BinaryPrimitives.WriteInt32LittleEndian(header[1..], bytes.Length);
            Write(header);
        }

        Write(bytes);
        Remember(key);
    }

    /// <summary>An object that may have been written before.</summary>
    private bool Recall(string key)
    {
        Object();
        return Recalled(key);
    }

    private bool Recalled(string key)
    {
        if (!_memo.TryGetValue(key, out var index))
            return false;
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, index);
        if (index <= byte.MaxValue)
            Write((byte)'h', bytes[0]);
        else
            Write((byte)'j', bytes[0], bytes[1], bytes[2], bytes[3]);
        return true;
    }

    private void Remember(string? key = null)
    {
        Write(Memoize);
        if (key is not null)
            _memo[key] = _memoized;
        _memoized++;
    }

    /// <summary>Begins an object: the only places where CPython ends a frame.</summary>
    private void Object()
    {
        if (_frameHeader is not null && _layout.Length + _pending.Count - _frameStart >= FrameTarget)
            CloseFrame();
    }

    private void Write(params ReadOnlySpan<byte> bytes)
    {
        if (_frameHeader is null)
        {
            _frameHeader = new byte[9];
            _frameHeader[0] = Frame;
            _layout.Append(_frameHeader);
            _frameStart = _layout.Length;
        }

        _pending.AddRange(bytes);
    }

    private void Flush()
    {
        _layout.Append(_pending.ToArray());
        _pending.Clear();
    }

    private void CloseFrame()
    {
        if (_frameHeader is null)
            return;
        Flush();
        BinaryPrimitives.WriteInt64LittleEndian(_frameHeader.AsSpan(1), _layout.Length - _frameStart);
        _frameHeader = null;
    }
}
