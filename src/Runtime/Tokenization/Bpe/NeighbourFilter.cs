using Generated.Tokenization.Text;

namespace Generated.Tokenization.Bpe;

/// <summary>
/// Knows which two characters stand side by side in some piece. Where two neighbours of a text never do, no merge can cross
/// the gap, so the text may be cut there and its parts encoded (and remembered) one by one with the same result.
/// </summary>
/// <remarks>A hashed bit set: a collision only leaves a cut unused. Sentencepiece models have no word boundaries of their own; this finds those that are implied.</remarks>
internal sealed class NeighbourFilter
{
    private const int HashBits = 22;
    private const uint SpaceCode = 0xE29681;
    private const uint SmallCodes = 128;

    private readonly ulong[] _set = new ulong[(1 << HashBits) / 64];

    // ASCII with "\u2581" in the place of U+007F (which goes through the hash) has a table of its own.
    private readonly ulong[] _small = new ulong[SmallCodes * SmallCodes / 64];

    /// <summary>Notes all neighbours in the pieces.</summary>
    public NeighbourFilter(IEnumerable<string> pieces)
    {
        var utf8 = new ByteBuffer();
        foreach (string piece in pieces)
        {
            utf8.Clear();
            utf8.AddUtf8(piece);
            Add(utf8.Span);
        }
    }

    private void Add(ReadOnlySpan<byte> piece)
    {
        if (piece.IsEmpty)
            return;
        uint left = Next(piece, out int position);
        while (position < piece.Length)
        {
            uint right = Next(piece[position..], out int length);
            var (set, bit) = Find(left, right);
            set[bit >> 6] |= 1UL << (bit & 63);
            left = right;
            position += length;
        }
    }

    /// <summary>End of the chunk that starts at <paramref name="start"/>.</summary>
    public int ChunkEnd(ReadOnlySpan<byte> text, int start)
    {
        uint left = Next(text[start..], out int length);
        int position = start + length;
        while (position < text.Length)
        {
            uint right = Next(text[position..], out length);
            var (set, bit) = Find(left, right);
            if ((set[bit >> 6] & (1UL << (bit & 63))) == 0)
                return position;
            left = right;
            position += length;
        }
        return position;
    }

    /// <summary>The first character as a number: small for those of the small table, else its bytes.</summary>
    private static uint Next(ReadOnlySpan<byte> text, out int length)
    {
        if (text[0] < 0x7F)
        {
            length = 1;
            return text[0];
        }
        length = Utf8.CharacterLength(text);
        uint code = 0;
        foreach (byte b in text[..length])
            code = (code << 8) | b;
        return code == SpaceCode ? 0x7F : code == 0x7F ? SpaceCode : code;
    }

    private (ulong[] Set, int Bit) Find(uint left, uint right)
    {
        if ((left | right) < SmallCodes)
            return (_small, (int)(left * SmallCodes + right));
        ulong hash = ((((ulong)left << 32) | right) * 0x9E3779B97F4A7C15) ^ ((ulong)right << 17);
        return (_set, (int)(hash * 0xD6E8FEB86659FD93 >> (64 - HashBits)));
    }
}
