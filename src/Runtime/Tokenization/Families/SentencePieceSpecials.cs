using System.Text;
using Generated.Tokenization.SentencePiece;

namespace Generated.Tokenization.Families;

/// <summary>Special tokens of a checkpoint with a sentencepiece model.</summary>
internal static class SentencePieceSpecials
{
    /// <param name="files">The checkpoint's files.</param>
    /// <param name="model">The model; its control pieces are special, &lt;s&gt; and &lt;/s&gt; have their usual roles.</param>
    /// <param name="addBos">Whether BOS is added where tokenizer_config.json does not say.</param>
    /// <param name="more">Further tokens that the family's original code defines.</param>
    public static SpecialTokens Read(TokenizerFiles files, SentencePieceModel model, bool addBos, IEnumerable<AddedToken>? more = null)
    {
        var pieces = new Dictionary<string, int>();
        var control = new List<AddedToken>();
        for (int id = 0; id < model.Pieces.Count; id++)
        {
            string piece = Encoding.UTF8.GetString(model.Pieces[id]);
            pieces.TryAdd(piece, id);
            if (model.Kinds[id] is PieceKind.Control or PieceKind.Unknown)
                control.Add(new AddedToken(id, piece));
        }
        string? Name(int id) => id < 0 ? null : Encoding.UTF8.GetString(model.Pieces[id]);
        return SpecialTokenReader.Read(
            files, control.Concat(more ?? []), token => pieces.TryGetValue(token, out int id) ? id : null,
            new(Name(model.BosId), Name(model.EosId), Name(model.PadId), addBos));
    }
}
