using Generated.Tokenization.Text;

namespace Generated.Tokenization.SentencePiece;

/// <summary>
/// What sentencepiece does to a text before it cuts it into pieces: character normalization, removal of extra spaces,
/// the dummy prefix and "▁" for the space.
/// </summary>
/// <remarks>
/// Behaviour: sentencepiece's normalizer.cc, compared on every recorded "norm" vector. The normalizer of Microsoft.ML.Tokenizers 2.0.1
/// misses most entries of a table and loses a text of one character (LibraryAgreementTests); nothing around it could bring them back.
/// </remarks>
internal sealed class Normalizer
{
    private readonly CharsMap? _map;
    private readonly ByteTrie _userDefined;
    private readonly bool _addDummyPrefix;
    private readonly bool _removeExtraWhitespaces;
    private readonly byte[] _space;
    private readonly bool _isPlain; // nothing but the dummy prefix and the visible space
    private readonly bool[] _copied = new bool[256]; // ASCII characters that are themselves if another one follows

    /// <summary>UTF-8 of U+2581, the visible space.</summary>
    public static ReadOnlySpan<byte> Space => "\u2581"u8;

    public Normalizer(SentencePieceModel model, ByteTrie userDefined)
    {
        _map = CharsMap.Parse(model.CharsMap, model.Name);
        _userDefined = userDefined;
        _addDummyPrefix = model.AddDummyPrefix;
        _removeExtraWhitespaces = model.RemoveExtraWhitespaces;
        _space = model.EscapeWhitespaces ? Space.ToArray() : [(byte)' '];
        _isPlain = _map is null && userDefined.IsEmpty && !_removeExtraWhitespaces;
        for (byte c = 0x21; c < 0x7F; c++)
            _copied[c] = userDefined.Step(ByteTrie.Root, c) == ByteTrie.Nowhere && (_map is null || _map.AsciiStandsAlone);
    }

    /// <summary>Appends the normalized text.</summary>
    /// <param name="text">Valid UTF-8.</param>
    /// <param name="output">Where the normalized text goes.</param>
    public void Normalize(ReadOnlySpan<byte> text, ByteBuffer output)
    {
        int start = output.Length;
        if (_removeExtraWhitespaces)
        {
            while (!text.IsEmpty)
            {
                int consumed = Next(text, out var replacement);
                if (!replacement.SequenceEqual(" "u8))
                    break;
                text = text[consumed..];
            }
        }
        if (text.IsEmpty)
            return;
        if (_addDummyPrefix)
            output.Add(_space);

        if (_isPlain)
        {
            Append(text, output);
            return;
        }
        bool afterSpace = _removeExtraWhitespaces;
        while (!text.IsEmpty)
        {
            int run = 0;
            while (run + 1 < text.Length && _copied[text[run]] && text[run + 1] < 0x80)
                run++;
            if (run > 0)
            {
                output.Add(text[..run]);
                text = text[run..];
                afterSpace = false;
            }
            int consumed = Next(text, out var replacement);
            if (afterSpace)
                replacement = replacement.TrimStart((byte)' ');
            if (!replacement.IsEmpty)
            {
                Append(replacement, output);
                afterSpace = _removeExtraWhitespaces && replacement[^1] == ' ';
            }
            text = text[consumed..];
        }

        if (_removeExtraWhitespaces)
        {
            while (output.Length - start >= _space.Length && output.Span.EndsWith(_space))
                output.CutTo(output.Length - _space.Length);
        }
    }

    private void Append(ReadOnlySpan<byte> characters, ByteBuffer output)
    {
        for (int space = characters.IndexOf((byte)' '); space >= 0; space = characters.IndexOf((byte)' '))
        {
            output.Add(characters[..space]);
            output.Add(_space);
            characters = characters[(space + 1)..];
        }
        output.Add(characters);
    }

    /// <summary>The next character or user-defined symbol, or entry of the table: bytes consumed and what stands for them.</summary>
    private int Next(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> replacement)
    {
        int length = _userDefined.IsEmpty ? 0 : _userDefined.LongestPrefix(text, out _);
        if (length == 0 && _map is not null)
        {
            length = _map.Match(text, out replacement);
            if (length > 0)
                return length;
        }
        if (length == 0)
            length = Utf8.CharacterLength(text);
        replacement = text[..length];
        return length;
    }
}
