using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Generated.Tokenization;

/// <summary>
/// A tokenizer under the abstraction of Microsoft.ML.Tokenizers, so that code written for that library works with every family.
/// </summary>
/// <remarks>
/// Normalization and splitting into words belong to a checkpoint's tokenizer; they are done whatever a caller asks for. The normalized
/// text, to which offsets refer, is the text that the ids stand for; a character of several tokens counts to the last of them.
/// </remarks>
public sealed class TokenizerAdapter : Microsoft.ML.Tokenizers.Tokenizer
{
    private readonly ITokenizer _tokenizer;
    private readonly bool _addSpecial;

    /// <param name="tokenizer">The tokenizer, as <see cref="TokenizerLoader"/> gives it.</param>
    /// <param name="addSpecial">Whether special tokens (BOS, <c>[gMASK] sop</c>) are added around every text; decoding leaves special tokens out.</param>
    public TokenizerAdapter(ITokenizer tokenizer, bool addSpecial = false)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _tokenizer = tokenizer;
        _addSpecial = addSpecial;
    }

    /// <inheritdoc/>
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        string input = text ?? textSpan.ToString();
        var ids = Encode(input, settings);
        var stream = _tokenizer.CreateStreamingDecoder();
        var normalized = new StringBuilder(input.Length);
        var tokens = new List<EncodedToken>(ids.Count);
        for (int i = 0; i < ids.Count; i++)
        {
            int start = normalized.Length;
            normalized.Append(stream.Add(ids[i]));
            if (i == ids.Count - 1)
                normalized.Append(stream.Flush());
            if (i < settings.MaxTokenCount)
                tokens.Add(new EncodedToken(ids[i], _tokenizer.IdToToken(ids[i]) ?? "", new Range(start, normalized.Length)));
        }
        string decoded = normalized.ToString();
        return new EncodeResults<EncodedToken>
        {
            Tokens = tokens,
            NormalizedText = decoded == input ? null : decoded,
            CharsConsumed = tokens.Count == 0 ? 0 : tokens[^1].Offset.End.Value,
        };
    }

    /// <inheritdoc/>
    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        if (settings.MaxTokenCount < int.MaxValue)
            return base.EncodeToIds(text, textSpan, settings);
        string input = text ?? textSpan.ToString();
        return new EncodeResults<int> { Tokens = Encode(input, settings), CharsConsumed = input.Length };
    }

    /// <inheritdoc/>
    protected override int CountTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
        => Math.Min(Encode(text ?? textSpan.ToString(), settings).Count, settings.MaxTokenCount);

    /// <inheritdoc/>
    public override string Decode(IEnumerable<int> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return _tokenizer.Decode([.. ids]);
    }

    /// <summary>Decodes as many ids as fit, never half a character: what is left can be decoded next, but for a space at its beginning.</summary>
    /// <param name="ids">The ids.</param>
    /// <param name="destination">Where their text goes.</param>
    /// <param name="idsConsumed">How many ids the text written stands for.</param>
    /// <param name="charsWritten">Length of the text written.</param>
    /// <returns><see cref="OperationStatus.DestinationTooSmall"/> if ids are left.</returns>
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        ArgumentNullException.ThrowIfNull(ids);
        int[] all = [.. ids];
        string text = _tokenizer.Decode(all);
        idsConsumed = all.Length;
        if (text.Length > destination.Length)
        {
            var stream = _tokenizer.CreateStreamingDecoder();
            var ends = new List<int> { 0 }; // of the text of the first n ids
            while (ends.Count <= all.Length && ends[^1] <= destination.Length)
                ends.Add(ends[^1] + stream.Add(all[ends.Count - 1]).Length);
            idsConsumed = ends.Count - 1;
            while (ends[idsConsumed] > destination.Length)
                idsConsumed--;
            // Ids whose last character is not complete yet stay together with those that complete it.
            while (idsConsumed > 0 && !text.StartsWith(_tokenizer.Decode(all[..idsConsumed]), StringComparison.Ordinal))
                idsConsumed--;
            text = text[..ends[idsConsumed]];
        }
        text.CopyTo(destination);
        charsWritten = text.Length;
        return idsConsumed == all.Length ? OperationStatus.Done : OperationStatus.DestinationTooSmall;
    }

    private IReadOnlyList<int> Encode(string text, EncodeSettings settings)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(settings.MaxTokenCount);
        return _tokenizer.Encode(text, _addSpecial);
    }
}
