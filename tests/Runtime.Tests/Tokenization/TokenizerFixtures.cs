using Generated.Tokenization.SentencePiece;

namespace Runtime.Tests.Tokenization;

/// <summary>Committed fixtures, and folders made for one test.</summary>
internal static class TokenizerFixtures
{
    public static string Path(string file) => System.IO.Path.Combine(RecordedFixtures.Root, "tokenization", file);

    /// <summary>A sentencepiece unigram model: an unknown piece, byte pieces if wanted, and the given ones.</summary>
    public static byte[] UnigramModel(IEnumerable<(string Piece, float Score, PieceKind Kind)> pieces, bool byteFallback)
    {
        var bytes = Enumerable.Range(0, byteFallback ? 256 : 0).Select(b => ($"<0x{b:X2}>", 0f, PieceKind.Byte));
        using var file = new MemoryStream();
        using var writer = new BinaryWriter(file);
        foreach (var (piece, score, kind) in bytes.Concat(pieces).Prepend(("<unk>", 0f, PieceKind.Unknown)))
        {
            writer.Write((byte)0x0A); // pieces
            writer.Write((byte)(System.Text.Encoding.UTF8.GetByteCount(piece) + 9));
            writer.Write((byte)0x0A);
            writer.Write(piece);
            writer.Write((byte)0x15); // score
            writer.Write(score);
            writer.Write((byte)0x18); // type
            writer.Write((byte)kind);
        }
        writer.Write([0x12, 5, 0x18, 1, 0x98, 2, (byte)(byteFallback ? 1 : 0)]); // trainer_spec: model_type, byte_fallback
        return file.ToArray();
    }
}

/// <summary>A folder that is gone after the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("generated-tok-").FullName;

    public TemporaryFolder Write(string file, string text)
    {
        File.WriteAllText(System.IO.Path.Combine(Path, file), text);
        return this;
    }

    public TemporaryFolder Write(string file, byte[] bytes)
    {
        File.WriteAllBytes(System.IO.Path.Combine(Path, file), bytes);
        return this;
    }

    public TemporaryFolder Copy(string source, string? name = null)
        => Write(name ?? System.IO.Path.GetFileName(source), File.ReadAllBytes(source));

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
