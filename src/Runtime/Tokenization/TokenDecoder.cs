using System.Text;
using Generated.Tokenization.Text;

namespace Generated.Tokenization;

/// <summary>
/// The one way from ids to text: <see cref="ITokenizer.Decode"/> runs it over all ids, a stream id by id. Bytes wait here until
/// their character is complete.
/// </summary>
/// <param name="replaceEachByte">How invalid UTF-8 is replaced: <see cref="Utf8.DecodeComplete"/>.</param>
internal abstract class TokenDecoder(bool replaceEachByte) : IStreamingDecoder
{
    private readonly StringBuilder _text = new();
    private readonly ByteBuffer _pending = new();

    /// <summary>True until some text has come out.</summary>
    protected bool IsAtStart { get; private set; } = true;

    /// <inheritdoc/>
    public string Add(int id)
    {
        Append(id);
        return TakeText();
    }

    /// <inheritdoc/>
    public string Flush()
    {
        EndCharacter();
        string text = TakeText();
        Reset();
        return text;
    }

    /// <summary>The text of a whole sequence.</summary>
    public string DecodeAll(IReadOnlyList<int> ids)
    {
        Reset();
        for (int i = 0; i < ids.Count; i++)
            Append(ids[i]);
        return Flush();
    }

    /// <summary>Appends one id's bytes through <see cref="Emit"/>.</summary>
    protected abstract void Append(int id);

    /// <summary>Starts over.</summary>
    protected virtual void Reset()
    {
        _text.Clear();
        _pending.Clear();
        IsAtStart = true;
    }

    /// <summary>Appends bytes; those at the end that are the beginning of a character wait for the rest of it.</summary>
    protected void Emit(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return;
        IsAtStart = false;
        if (_pending.Length == 0)
        {
            int done = Utf8.DecodeComplete(bytes, replaceEachByte, _text);
            _pending.Add(bytes[done..]);
        }
        else
        {
            _pending.Add(bytes);
            _pending.RemoveFirst(Utf8.DecodeComplete(_pending.Span, replaceEachByte, _text));
        }
    }

    /// <summary>Gives up on a character that is not complete.</summary>
    protected virtual void EndCharacter()
    {
        Utf8.DecodeUnfinished(_pending.Span, replaceEachByte, _text);
        _pending.Clear();
    }

    private string TakeText()
    {
        if (_text.Length == 0)
            return "";
        string text = _text.ToString();
        _text.Clear();
        return text;
    }
}
