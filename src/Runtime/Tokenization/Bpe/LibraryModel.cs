using Microsoft.ML.Tokenizers;

namespace Generated.Tokenization.Bpe;

/// <summary>
/// Makes a sentencepiece model for the library out of pieces alone: nothing is normalized, added or looked for in its text, and
/// bytes are no fallback. What this project does around the model, it does itself, as the original does.
/// </summary>
/// <remarks>Field numbers: sentencepiece's src/sentencepiece_model.proto; <see cref="BinaryWriter"/> writes numbers and strings as protobuf does.</remarks>
internal static class LibraryModel
{
    /// <summary>Kinds of models, numbered as in the trainer spec.</summary>
    public enum Kind
    {
        Unigram = 1,
        Bpe = 2,
    }

    private const int Normal = 1, Unknown = 2, UserDefined = 4;

    /// <summary>A model whose ids are the positions of the pieces; the id after the last stands for a character that is no piece.</summary>
    /// <exception cref="InvalidInputException">The library cannot use the pieces.</exception>
    public static Microsoft.ML.Tokenizers.SentencePieceTokenizer Create(Kind kind, IEnumerable<(string Piece, float Score, bool IsUserDefined)> pieces, string modelName)
    {
        using var file = new MemoryStream();
        using var writer = new BinaryWriter(file);
        int count = 0;
        foreach (var (piece, score, isUserDefined) in pieces)
        {
            WritePiece(writer, piece, score, isUserDefined ? UserDefined : Normal);
            count++;
        }
        WritePiece(writer, "", 0, Unknown); // no text spells it

        WriteMessage(writer, 2, trainer =>
        {
            WriteNumber(trainer, 3, (int)kind);
            // The library also takes the pieces named here for control pieces: all are the unknown one.
            WriteNumber(trainer, 40, count);
            WriteNumber(trainer, 41, count);
            WriteNumber(trainer, 42, count);
        });
        WriteMessage(writer, 3, normalizer =>
        {
            WriteNumber(normalizer, 3, 0); // add_dummy_prefix
            WriteNumber(normalizer, 4, 0); // remove_extra_whitespaces
            WriteNumber(normalizer, 5, 0); // escape_whitespaces
        });
        file.Position = 0;
        try
        {
            return Microsoft.ML.Tokenizers.SentencePieceTokenizer.Create(file, addBeginningOfSentence: false, addEndOfSentence: false);
        }
        catch (Exception refused) when (refused is ArgumentException or InvalidOperationException or IndexOutOfRangeException or NullReferenceException)
        {
            throw new InvalidInputException($"{modelName} is damaged: no tokenizer can be made of its pieces ({refused.Message}).", refused);
        }
    }

    private static void WritePiece(BinaryWriter writer, string piece, float score, int type)
        => WriteMessage(writer, 1, message =>
        {
            message.Write((byte)((1 << 3) | 2));
            message.Write(piece);
            message.Write((byte)((2 << 3) | 5));
            message.Write(score);
            WriteNumber(message, 3, type);
        });

    private static void WriteMessage(BinaryWriter writer, int field, Action<BinaryWriter> write)
    {
        using var content = new MemoryStream();
        using var message = new BinaryWriter(content);
        write(message);
        writer.Write((byte)((field << 3) | 2));
        writer.Write7BitEncodedInt((int)content.Length);
        writer.Write(content.GetBuffer(), 0, (int)content.Length);
    }

    private static void WriteNumber(BinaryWriter writer, int field, int value)
    {
        writer.Write7BitEncodedInt(field << 3);
        writer.Write7BitEncodedInt(value);
    }
}
