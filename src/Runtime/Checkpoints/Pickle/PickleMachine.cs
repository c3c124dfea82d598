using System.Globalization;

namespace Generated.Checkpoints.Pickle;

/// <summary>
/// Reads Python pickles, protocols 2 to 5 (and what of 0 and 1 needs no quoting rules), into plain values.
/// It executes nothing: classes and functions are names that <see cref="IPickleTypes"/> knows or the file is refused.
/// Bytes and text stay ranges of the file, so a file of many gigabytes is read in the time of its structure.
/// Memory is bounded by the number of operations, which is limited. Nothing here recurses.
/// (Format: the comments of CPython's pickletools.py.)
/// </summary>
internal sealed class PickleMachine(PickleInput input, IPickleTypes types)
{
    /// <summary>Most operations: about 40 are needed per tensor.</summary>
    private const int MostOperations = 1 << 24;

    private const int MostStacked = 1 << 21;
    private const int MostMarks = 1 << 12;
    private const int HighestProtocol = 5;

    private readonly List<object?> _stack = [];
    private readonly Stack<int> _marks = new();
    private readonly Dictionary<long, object?> _memo = [];

    /// <summary>Reads one pickle; the input is left behind it.</summary>
    /// <exception cref="InvalidInputException">The bytes are no pickle, or one that this format does not allow.</exception>
    public object? Load()
    {
        for (var operations = 0; operations < MostOperations; operations++)
        {
            var code = input.Byte();
            if (code == (byte)'.')
                return Pop();
            Step(code);
            if (_stack.Count > MostStacked || _marks.Count > MostMarks)
                throw input.Error("it is nested too deeply");
        }

        throw input.Error($"it has more than {MostOperations} operations, which no checkpoint needs");
    }

    private void Step(byte code)
    {
        switch (code)
        {
            case 0x80: Protocol(); break;
            case 0x95: _ = input.Int64(); break; // FRAME: a hint for buffering
            case (byte)'(': _marks.Push(_stack.Count); break;
            case (byte)'0': Drop(); break;
            case (byte)'1': _ = PopMarked(); break;
            case (byte)'2': Push(Peek()); break;

            case (byte)'N': Push(null); break;
            case 0x88: Push(true); break;
            case 0x89: Push(false); break;
            case (byte)'K': Push((long)input.Byte()); break;
            case (byte)'M': Push((long)input.UInt16()); break;
            case (byte)'J': Push((long)input.Int32()); break;
            case (byte)'I': Push(IntegerLine()); break;
            case (byte)'L': Push(IntegerLine()); break;
            case 0x8a: Push(Integer(input.Byte())); break;
            case 0x8b: Push(Integer(input.UInt32())); break;
            case (byte)'G': Push(input.DoubleBigEndian()); break;
            case (byte)'F': Push(FloatLine()); break;

            case (byte)'X': Push(input.Range(input.UInt32(), isText: true)); break;
            case 0x8c: Push(input.Range(input.Byte(), isText: true)); break;
            case 0x8d: Push(input.Range(input.Int64(), isText: true)); break;
            case (byte)'B': Push(input.Range(input.UInt32(), isText: false)); break;
            case (byte)'C': Push(input.Range(input.Byte(), isText: false)); break;
            case 0x8e or 0x96: Push(input.Range(input.Int64(), isText: false)); break;
            case (byte)'T': Push(input.Range(input.UInt32(), isText: false)); break;
            case (byte)'U': Push(input.Range(input.Byte(), isText: false)); break;
            case 0x98: break; // READONLY_BUFFER

            case (byte)')': Push(new PickleTuple([])); break;
            case 0x85: Push(new PickleTuple(PopLast(1))); break;
            case 0x86: Push(new PickleTuple(PopLast(2))); break;
            case 0x87: Push(new PickleTuple(PopLast(3))); break;
            case (byte)'t' or 0x91: Push(new PickleTuple(PopMarked())); break;
            case (byte)']' or 0x8f: Push(new PickleList()); break;
            case (byte)'l': Push(ListOf(PopMarked())); break;
            case (byte)'a': Extend([Pop()]); break;
            case (byte)'e' or 0x90: Extend(PopMarked()); break;
            case (byte)'}': Push(new PickleDict()); break;
            case (byte)'d': Push(SetItems(new PickleDict(), PopMarked())); break;
            case (byte)'s': SetItemsOfTop(PopLast(2)); break;
            case (byte)'u': SetItemsOfTop(PopMarked()); break;

            case (byte)'c': Push(Global(input.Line(), input.Line())); break;
            case 0x93: StackGlobal(); break;
            case (byte)'R' or 0x81: Call(); break;
            case (byte)'b': SetState(); break;
            case (byte)'Q': PersistentId(); break;

            case (byte)'q': _memo[input.Byte()] = Peek(); break;
            case (byte)'r': _memo[input.UInt32()] = Peek(); break;
            case (byte)'p': _memo[Index(input.Line())] = Peek(); break;
            case 0x94: _memo[_memo.Count] = Peek(); break;
            case (byte)'h': Push(Recall(input.Byte())); break;
            case (byte)'j': Push(Recall(input.UInt32())); break;
            case (byte)'g': Push(Recall(Index(input.Line()))); break;

            case (byte)'S' or (byte)'V': throw input.Error("it was saved with pickle protocol 0; save it again with protocol 2 or higher");
            default: throw input.Error($"it uses operation 0x{code:x2}, which no checkpoint needs");
        }
    }

    private void Push(object? value) => _stack.Add(value);

    private object? Peek()
    {
        if (_stack.Count <= Floor)
            throw input.Error("its stack runs empty");
        return _stack[^1];
    }

    private object? Pop()
    {
        var value = Peek();
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    /// <summary>POP takes a mark where one lies on top.</summary>
    private void Drop()
    {
        if (_marks.Count > 0 && _marks.Peek() == _stack.Count)
            _marks.Pop();
        else
            Pop();
    }

    private int Floor => _marks.Count > 0 ? _marks.Peek() : 0;

    private object?[] PopLast(int count)
    {
        if (_stack.Count - count < Floor)
            throw input.Error("its stack runs empty");
        var items = new object?[count];
        _stack.CopyTo(_stack.Count - count, items, 0, count);
        _stack.RemoveRange(_stack.Count - count, count);
        return items;
    }

    private object?[] PopMarked()
    {
        if (!_marks.TryPop(out var mark))
            throw input.Error("a mark is missing");
        return PopLast(_stack.Count - mark);
    }

    private object? Recall(long index) => _memo.TryGetValue(index, out var value) ? value : throw input.Error($"it recalls item {index}, which it never stored");

    private void Protocol()
    {
        var protocol = input.Byte();
        if (protocol > HighestProtocol)
            throw input.Error($"pickle protocol {protocol} is not supported");
    }

    private object Integer(uint length)
    {
        const int Longest = 32;
        if (length > Longest)
            throw input.Error($"an integer has {length} bytes");
        var bytes = input.Take((int)length);
        if (length > sizeof(long))
            return new PickleBigInteger(bytes.ToArray());
        long value = 0;
        for (var i = 0; i < bytes.Length; i++)
            value |= (long)bytes[i] << (8 * i);
        var unused = 64 - (8 * bytes.Length);
        return length == 0 ? 0L : value << unused >> unused;
    }

    private object IntegerLine()
    {
        var line = input.Line();
        return line switch
        {
            "00" => false,
            "01" => true,
            _ => long.TryParse(line.AsSpan().TrimEnd('L'), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
                ? value
                : throw input.Error("an integer is not one"),
        };
    }

    private double FloatLine() =>
        double.TryParse(input.Line(), NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : throw input.Error("a float is not one");

    private long Index(string line) =>
        long.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : throw input.Error("a memo index is not a number");

    private static PickleList ListOf(object?[] items)
    {
        var list = new PickleList();
        list.Items.AddRange(items);
        return list;
    }

    private void Extend(object?[] items)
    {
        if (Peek() is not PickleList list)
            throw input.Error("it appends to something that is not a list");
        list.Items.AddRange(items);
    }

    private void SetItemsOfTop(object?[] items)
    {
        if (Peek() is not PickleDict dict)
            throw input.Error("it sets items of something that is not a dict");
        SetItems(dict, items);
    }

    private PickleDict SetItems(PickleDict dict, object?[] items)
    {
        if (items.Length % 2 != 0)
            throw input.Error("a dict has a key without a value");
        for (var i = 0; i < items.Length; i += 2)
            dict.Set(items[i], items[i + 1]);
        return dict;
    }

    private void StackGlobal()
    {
        if (PopLast(2) is not [PickleBytes module, PickleBytes name])
            throw input.Error("a global's name is not text");
        Push(Global(module.ToText(), name.ToText()));
    }

    private object Global(string module, string name) =>
        types.Find(module, name)
        ?? throw new InvalidInputException(
            $"{input.File.Path} refers to {Describe.Name($"{module}.{name}")} (at byte {input.Position}), which no checkpoint needs; "
            + "it is refused because loading it in Python could run code. Use a safetensors file if there is one.");

    private void Call()
    {
        if (Pop() is not PickleTuple arguments)
            throw input.Error("it calls something without arguments");
        var function = Pop();
        Push(Guard(() => types.Call(function, arguments)));
    }

    private void PersistentId()
    {
        var id = Pop();
        Push(Guard(() => types.Persistent(id)));
    }

    private void SetState()
    {
        var state = Pop();
        var target = Peek();

        // Attributes of a dict (such as torch's _metadata) say nothing about tensors.
        if (target is not PickleDict)
            _ = Guard(() => { types.SetState(target, state); return null; });
    }

    private object? Guard(Func<object?> action)
    {
        try
        {
            return action();
        }
        catch (PickleTypeException e)
        {
            throw input.Error(e.Message);
        }
    }
}

/// <summary>What an <see cref="IPickleTypes"/> does not accept; the machine adds file and position.</summary>
internal sealed class PickleTypeException(string message) : Exception(message);
