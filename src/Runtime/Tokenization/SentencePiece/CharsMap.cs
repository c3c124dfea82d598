using System.Buffers.Binary;

namespace Generated.Tokenization.SentencePiece;

/// <summary>
/// The <c>precompiled_charsmap</c> of a model (nmt_nfkc and the like): a Darts-clone double-array trie from character sequences to
/// offsets of zero-terminated replacements. Every step of a walk is checked, since the table comes from a file.
/// </summary>
internal sealed class CharsMap
{
    private readonly uint[] _units;
    private readonly byte[] _replacements;

    private CharsMap(uint[] units, byte[] replacements)
    {
        _units = units;
        _replacements = replacements;
        AsciiStandsAlone = ComputeAsciiStandsAlone();
    }

    /// <summary>True if printable ASCII is never an entry, alone or with another ASCII character after it (true of all tables in use).</summary>
    public bool AsciiStandsAlone { get; }

    /// <summary>Parses the table; null if it is empty (identity).</summary>
    /// <exception cref="InvalidInputException">The table's sizes do not fit.</exception>
    public static CharsMap? Parse(ReadOnlySpan<byte> blob, string modelName)
    {
        if (blob.IsEmpty)
            return null;
        uint trieBytes = blob.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(blob) : 0;
        if (trieBytes < 4 || trieBytes % 4 != 0 || trieBytes > blob.Length - 4)
            throw new InvalidInputException($"{modelName} is damaged: its normalization table of {blob.Length} bytes claims a trie of {trieBytes} bytes; download it again.");
        var units = new uint[trieBytes / 4];
        for (int i = 0; i < units.Length; i++)
            units[i] = BinaryPrimitives.ReadUInt32LittleEndian(blob[(4 + 4 * i)..]);
        return new CharsMap(units, blob[(4 + (int)trieBytes)..].ToArray());
    }

    /// <summary>Longest entry that the text starts with: its length in bytes (0 if none) and its replacement.</summary>
    public int Match(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> replacement)
    {
        replacement = default;
        if (AsciiStandsAlone && text.Length > 1 && text[0] is >= 0x20 and < 0x7F && text[1] < 0x80)
            return 0;
        int longest = 0;
        uint value = 0;
        uint node = Offset(_units[0]);
        for (int i = 0; i < text.Length; i++)
        {
            if (!TryStep(ref node, text[i], out bool isEntry, out uint entry))
                break;
            if (isEntry)
                (longest, value) = (i + 1, entry);
        }
        if (longest > 0)
            replacement = ReplacementAt(value);
        return longest;
    }

    private bool TryStep(ref uint node, byte label, out bool isEntry, out uint value)
    {
        (isEntry, value) = (false, 0);
        uint position = node ^ label;
        if (position >= (uint)_units.Length)
            return false;
        uint unit = _units[position];
        if ((unit & 0x800000FF) != label)
            return false;
        node = position ^ Offset(unit);
        if ((unit & 0x100) != 0 && node < (uint)_units.Length)
            (isEntry, value) = (true, _units[node] & 0x7FFFFFFF);
        return true;
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);

    private ReadOnlySpan<byte> ReplacementAt(uint offset)
    {
        if (offset >= (uint)_replacements.Length)
            return default;
        var rest = _replacements.AsSpan((int)offset);
        int end = rest.IndexOf((byte)0);
        return end < 0 ? rest : rest[..end];
    }

    private bool ComputeAsciiStandsAlone()
    {
        for (byte first = 0x20; first < 0x7F; first++)
        {
            uint node = Offset(_units[0]);
            if (!TryStep(ref node, first, out bool isEntry, out _))
                continue;
            if (isEntry)
                return false;
            for (byte second = 0; second < 0x80; second++)
            {
                uint next = node;
                if (TryStep(ref next, second, out _, out _))
                    return false;
            }
        }
        return true;
    }
}
