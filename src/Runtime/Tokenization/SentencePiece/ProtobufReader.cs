using System.Buffers.Binary;

namespace Generated.Tokenization.SentencePiece;

/// <summary>Reads the fields of one protobuf message; every length is checked against the bytes that are there.</summary>
/// <remarks>Wire format: https://protobuf.dev/programming-guides/encoding. Groups (wire types 3 and 4) are refused; no sentencepiece model has them.</remarks>
internal ref struct ProtobufReader(ReadOnlySpan<byte> message)
{
    private readonly ReadOnlySpan<byte> _message = message;
    private int _position;
    private ulong _number;
    private ReadOnlySpan<byte> _bytes;

    /// <summary>Number of the field that <see cref="Next"/> stopped at.</summary>
    public int Field { get; private set; }

    /// <summary>Moves to the next field; false at the end of the message.</summary>
    /// <exception cref="FormatException">The message is damaged.</exception>
    public bool Next()
    {
        if (_position == _message.Length)
            return false;
        ulong tag = Varint();
        if (tag >> 3 is 0 or > int.MaxValue)
            throw new FormatException($"field number {tag >> 3} at byte {_position}");
        Field = (int)(tag >> 3);
        _bytes = default;
        switch (tag & 7)
        {
            case 0: _number = Varint(); break;
            case 1: _number = BinaryPrimitives.ReadUInt64LittleEndian(Take(8)); break;
            case 2: _bytes = Take(Varint()); break;
            case 5: _number = BinaryPrimitives.ReadUInt32LittleEndian(Take(4)); break;
            default: throw new FormatException($"wire type {tag & 7} at byte {_position}");
        }
        return true;
    }

    public readonly bool Bool => _number != 0;

    public readonly int Int => unchecked((int)_number);

    public readonly float Float => BitConverter.UInt32BitsToSingle(unchecked((uint)_number));

    public readonly ReadOnlySpan<byte> Bytes => _bytes;

    private ReadOnlySpan<byte> Take(ulong count)
    {
        if (count > (ulong)(_message.Length - _position))
            throw new FormatException($"a field of {count} bytes at byte {_position} runs past the end of the message ({_message.Length} bytes)");
        var span = _message.Slice(_position, (int)count);
        _position += (int)count;
        return span;
    }

    private ulong Varint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            if (_position == _message.Length)
                throw new FormatException("a number is cut off at the end of the message");
            byte b = _message[_position++];
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80)
                return value;
        }
        throw new FormatException($"a number of more than 64 bits before byte {_position}");
    }
}
