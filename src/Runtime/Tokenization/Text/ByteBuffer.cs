namespace Generated.Tokenization.Text;

/// <summary>A growing array of bytes that can be cut back and read as a span.</summary>
internal sealed class ByteBuffer(int capacity = 256)
{
    private byte[] _bytes = new byte[Math.Max(16, capacity)];

    public int Length { get; private set; }

    public ReadOnlySpan<byte> Span => _bytes.AsSpan(0, Length);

    public void Clear() => Length = 0;

    public void Add(byte value)
    {
        if (Length == _bytes.Length)
            Array.Resize(ref _bytes, _bytes.Length * 2);
        _bytes[Length++] = value;
    }

    public void Add(ReadOnlySpan<byte> values)
    {
        Reserve(values.Length);
        values.CopyTo(_bytes.AsSpan(Length));
        Length += values.Length;
    }

    /// <summary>Appends UTF-8 of a string; half a surrogate pair becomes U+FFFD.</summary>
    public void AddUtf8(ReadOnlySpan<char> text)
    {
        Reserve(3 * text.Length);
        if (text.Length <= 16)
        {
            // Short words are mostly ASCII; a plain loop is faster here than the encoder.
            int ascii = 0;
            var target = _bytes.AsSpan(Length);
            while (ascii < text.Length && text[ascii] < 0x80)
            {
                target[ascii] = (byte)text[ascii];
                ascii++;
            }
            Length += ascii;
            text = text[ascii..];
            if (text.IsEmpty)
                return;
        }
        Length += System.Text.Encoding.UTF8.GetBytes(text, _bytes.AsSpan(Length));
    }

    /// <summary>Drops bytes at the end.</summary>
    public void CutTo(int length) => Length = length;

    /// <summary>Drops bytes at the beginning.</summary>
    public void RemoveFirst(int count)
    {
        _bytes.AsSpan(count, Length - count).CopyTo(_bytes);
        Length -= count;
    }

    private void Reserve(int more)
    {
        if (_bytes.Length - Length < more)
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + more));
    }
}
