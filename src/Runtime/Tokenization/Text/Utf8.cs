using System.Buffers;
using System.Text;

namespace Generated.Tokenization.Text;

/// <summary>UTF-8 as the original tokenizers treat it.</summary>
internal static class Utf8
{
    /// <summary>
    /// Bytes of the character that a non-empty text starts with, judged by its first byte alone and never more than there are;
    /// a stray continuation byte counts 1.
    /// </summary>
    public static int CharacterLength(ReadOnlySpan<byte> text)
    {
        byte first = text[0];
        int length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF8 ? 4 : 1;
        return Math.Min(length, text.Length);
    }

    /// <summary>True if the text is valid from end to end.</summary>
    public static bool IsValid(ReadOnlySpan<byte> text) => System.Text.Unicode.Utf8.IsValid(text);

    /// <summary>UTF-8 of a string; half a surrogate pair becomes U+FFFD.</summary>
    public static byte[] Bytes(ReadOnlySpan<char> text)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, bytes);
        return bytes;
    }

    /// <summary>
    /// Appends the characters that are complete and returns how many bytes they took; an unfinished character at the end is left.
    /// </summary>
    /// <param name="bytes">Bytes to decode.</param>
    /// <param name="replaceEachByte">Invalid input: one U+FFFD per byte (sentencepiece) or per maximal part of a character (everyone else).</param>
    /// <param name="text">Where the characters go.</param>
    public static int DecodeComplete(ReadOnlySpan<byte> bytes, bool replaceEachByte, StringBuilder text)
    {
        int done = 0;
        Span<char> pair = stackalloc char[2];
        while (done < bytes.Length)
        {
            if (bytes[done] < 0x80)
            {
                text.Append((char)bytes[done++]);
                continue;
            }
            var status = Rune.DecodeFromUtf8(bytes[done..], out var rune, out int consumed);
            if (status == OperationStatus.NeedMoreData)
                break;
            text.Append(pair[..rune.EncodeToUtf16(pair)]);
            done += status == OperationStatus.InvalidData && replaceEachByte ? 1 : consumed;
        }
        return done;
    }

    /// <summary>Appends what is left at the end of a text: nothing but the beginning of a character.</summary>
    public static void DecodeUnfinished(ReadOnlySpan<byte> bytes, bool replaceEachByte, StringBuilder text)
    {
        if (bytes.Length > 0)
            text.Append('\uFFFD', replaceEachByte ? bytes.Length : 1);
    }
}
