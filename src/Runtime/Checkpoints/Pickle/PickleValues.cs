using System.Text;
using Generated.Checkpoints.Storage;

namespace Generated.Checkpoints.Pickle;

// What a pickle can hold here. None, booleans, integers (long) and floats (double) are the .NET values themselves.

/// <summary>A tuple, or a frozen set.</summary>
internal sealed class PickleTuple(object?[] items)
{
    public object?[] Items => items;

    public int Count => items.Length;
}

/// <summary>A list, or a set.</summary>
internal sealed class PickleList
{
    public List<object?> Items { get; } = [];
}

/// <summary>A dict or OrderedDict. Entries whose key is no text are dropped: no checkpoint format names tensors by them.</summary>
internal sealed class PickleDict
{
    public OrderedDictionary<string, object?> Items { get; } = new(StringComparer.Ordinal);

    public void Set(object? key, object? value)
    {
        if (key is PickleBytes text)
            Items[text.ToText()] = value;
        else if (key is long number)
            Items[number.ToString(System.Globalization.CultureInfo.InvariantCulture)] = value;
    }
}

/// <summary>A class or function that the format allows, as the format knows it; it is never called.</summary>
/// <param name="Name">Module and name.</param>
internal sealed record PickleGlobal(string Name);

/// <summary>An integer beyond 64 bits.</summary>
/// <param name="Bytes">Little-endian two's complement.</param>
internal sealed record PickleBigInteger(byte[] Bytes);

/// <summary>
/// Text or bytes, as a range of the file: nothing is copied before it is asked for, so that tensor data in a pickle costs nothing to pass over.
/// </summary>
internal sealed class PickleBytes(MappedFile file, long offset, long length, bool isText)
{
    private const int LongestText = 1 << 16;
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private string? _text;

    public long Offset => offset;

    public long Length => length;

    /// <summary>Whether it was text in Python 3.</summary>
    public bool IsText => isText;

    /// <summary>The text, for names and short values. (Python 2 pickles its text as bytes.)</summary>
    /// <exception cref="InvalidInputException">It is longer than any name, or no UTF-8.</exception>
    public string ToText()
    {
        if (_text is not null)
            return _text;
        if (length > LongestText)
            throw new InvalidInputException($"{file.Path} has a text of {length} bytes at {offset} where a name or short value belongs.");
        try
        {
            return _text = Strict.GetString(file.Span(offset, (int)length));
        }
        catch (DecoderFallbackException e)
        {
            throw new InvalidInputException($"{file.Path} has a text at byte {offset} that is not UTF-8.", e);
        }
    }

    public bool Is(string text) => length == text.Length && ToText() == text;
}
