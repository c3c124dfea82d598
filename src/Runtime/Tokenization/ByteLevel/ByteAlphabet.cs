using System.Text;
using Generated.Tokenization.Text;

namespace Generated.Tokenization.ByteLevel;

/// <summary>
/// GPT-2's way of writing bytes as printable characters: 188 bytes stand for the Latin-1 character of the same number, the 68
/// others, in order, for U+0100 and up.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] CharOfByte = Build();
    private static readonly short[] ByteOfChar = Invert();

    /// <summary>The character of a byte.</summary>
    public static char ToChar(byte b) => CharOfByte[b];

    /// <summary>The bytes that a token's characters stand for; false if some character stands for none.</summary>
    public static bool TryGetBytes(ReadOnlySpan<char> token, Span<byte> bytes)
    {
        for (int i = 0; i < token.Length; i++)
        {
            short b = token[i] < ByteOfChar.Length ? ByteOfChar[token[i]] : (short)-1;
            if (b < 0)
                return false;
            bytes[i] = (byte)b;
        }
        return true;
    }

    /// <summary>The bytes of a token: by the alphabet, or as UTF-8 if some character is not in it (an added token, say).</summary>
    public static byte[] BytesOf(string token)
    {
        var bytes = new byte[token.Length];
        return TryGetBytes(token, bytes) ? bytes : Utf8.Bytes(token);
    }

    /// <summary>Writes bytes in the alphabet.</summary>
    public static string Write(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        foreach (byte b in bytes)
            text.Append(CharOfByte[b]);
        return text.ToString();
    }

    private static char[] Build()
    {
        var chars = new char[256];
        char next = '\u0100';
        for (int b = 0; b < 256; b++)
            chars[b] = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF) ? (char)b : next++;
        return chars;
    }

    private static short[] Invert()
    {
        var bytes = new short[CharOfByte.Max() + 1];
        Array.Fill(bytes, (short)-1);
        for (int b = 0; b < 256; b++)
            bytes[CharOfByte[b]] = (short)b;
        return bytes;
    }
}
