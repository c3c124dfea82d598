using Generated.Tokenization.Text;

namespace Generated.Tokenization.Bpe;

/// <summary>
/// Knows which two characters stand side by side in some piece. Where two neighbours of a text never do, no merge can cross
/// the gap, so the text may be cut there and its parts encoded (and remembered) one by one with the same result.
/// </summary>
/// <remarks>A hashed bit set: a collision only leaves a cut unused. Sentencepiece models have no word boundaries of their own; this finds those that are implied.</remarks>
internal sealed class NeighbourFilter
{
    private const int Bits = 1 << 22;
    private readonly ulong[] _set = new ulong[Bits / 64];

    /// <summary>Notes all neighbours in a piece (UTF-8; bytes that are no UTF-8 count as characters of their own).</summary>
    public void Add(ReadOnlySpan<byte> piece)
    {
        for (int start = 0, length = Utf8.CharacterLength(piece); start + length < piece.Length;)
        {
            int next = start + length;
            int nextLength = Utf8.CharacterLength(piece[next..]);
            int bit = Bit(Code(piece.Slice(start, length)), Code(piece.Slice(next, nextLength)));
            _set[bit >> 6] |= 1UL << (bit & 63);
            (start, length) = (next, nextLength);
        }
    }

    /// <summary>End of the chunk that starts at <paramref name="start"/>.</summary>
    public int ChunkEnd(ReadOnlySpan<byte> text, int start)
    {
        int length = Utf8.CharacterLength(text[start..]);
        uint previous = Code(text.Slice(start, length));
        int position = start + length;
        while (position < text.Length)
        {
            length = Utf8.CharacterLength(text[position..]);
            uint code = Code(text.Slice(position, length));
            int bit = Bit(previous, code);
            if ((_set[bit >> 6] & (1UL << (bit & 63))) == 0)
                return position;
            previous = code;
            position += length;
        }
        return position;
    }

    private static uint Code(ReadOnlySpan<byte> character)
    {
        uint code = 0;
        foreach (byte b in character)
            code = (code << 8) | b;
        return code;
    }

    private static int Bit(uint left, uint right)
    {
        ulong hash = ((((ulong)left << 32) | right) * 0x9E3779B97F4A7C15) ^ ((ulong)right << 17);
        hash *= 0xD6E8FEB86659FD93;
        return (int)(hash >> (64 - 22));
    }
}
