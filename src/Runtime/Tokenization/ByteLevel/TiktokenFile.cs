using System.Buffers.Text;
using System.Text;

namespace Generated.Tokenization.ByteLevel;

/// <summary>A tiktoken rank file: one line per token, its bytes in base64, a space, its rank (which is its id).</summary>
internal static class TiktokenFile
{
    /// <summary>Reads the tokens by rank.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="name">Its name, for messages.</param>
    /// <exception cref="InvalidInputException">A line is no token, or a rank is there twice or missing.</exception>
    public static byte[][] Parse(ReadOnlySpan<byte> file, string name)
    {
        var tokens = new List<(int Rank, byte[] Token)>();
        int line = 0;
        while (!file.IsEmpty)
        {
            int end = file.IndexOf((byte)'\n');
            var row = (end < 0 ? file : file[..end]).Trim(" \r\t"u8);
            file = end < 0 ? default : file[(end + 1)..];
            line++;
            if (row.IsEmpty)
                continue;
            int space = row.IndexOf((byte)' ');
            if (space <= 0 || !Utf8Parser.TryParse(row[(space + 1)..], out int rank, out int used) || used != row.Length - space - 1 || rank < 0)
                throw new InvalidInputException($"{name}, line {line}: expected a base64 token, a space and a rank, found \"{Shorten(row)}\".");
            var token = new byte[Base64.GetMaxDecodedFromUtf8Length(space)];
            if (Base64.DecodeFromUtf8(row[..space], token, out _, out int length) != System.Buffers.OperationStatus.Done || length == 0)
                throw new InvalidInputException($"{name}, line {line}: \"{Shorten(row[..space])}\" is no base64.");
            tokens.Add((rank, token[..length]));
        }
        if (tokens.Count == 0)
            throw new InvalidInputException($"{name} has no tokens.");
        var byRank = new byte[tokens.Count][];
        foreach (var (rank, token) in tokens)
        {
            if (rank >= byRank.Length)
                throw new InvalidInputException($"{name} has {tokens.Count} tokens but one of rank {rank}; the file is damaged or cut off.");
            if (byRank[rank] is not null)
                throw new InvalidInputException($"{name} has two tokens of rank {rank}; the file is damaged.");
            byRank[rank] = token;
        }
        return byRank;
    }

    private static string Shorten(ReadOnlySpan<byte> row) => Encoding.UTF8.GetString(row[..Math.Min(40, row.Length)]);
}
