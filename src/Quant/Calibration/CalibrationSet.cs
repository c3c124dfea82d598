using System.Buffers.Binary;
using System.Security.Cryptography;
using Generated.Passes;

namespace Generated.Quant.Calibration;

/// <summary>
/// The tokens that calibration runs on: rows in the order of the file, the same in every stage and every run. Rows of different
/// lengths run together padded on the left; padding is masked and enters no statistic.
/// </summary>
internal sealed class CalibrationSet
{
    /// <param name="rows">Token ids of each row, special tokens included; none is empty.</param>
    /// <param name="tokensPerBatch">Most tokens of a batch, padding included; a longer row is a batch by itself.</param>
    /// <exception cref="InvalidInputException">There is no row.</exception>
    public CalibrationSet(IReadOnlyList<int[]> rows, int tokensPerBatch)
    {
        if (rows.Count == 0 || rows.Any(row => row.Length == 0))
            throw new InvalidInputException("There are no calibration tokens; give a calibration file with at least one row, and no empty ones.");
        Rows = rows;
        Batches = [.. Cut(rows, tokensPerBatch)];
        Tokens = rows.Sum(row => (long)row.Length);
        Hash = HashOf(rows);
    }

    /// <summary>The rows.</summary>
    public IReadOnlyList<int[]> Rows { get; }

    /// <summary>Consecutive rows as they run.</summary>
    public IReadOnlyList<TokenBatch> Batches { get; }

    /// <summary>Number of tokens, padding left out.</summary>
    public long Tokens { get; }

    /// <summary>SHA-256 of all rows, lower-case hexadecimal: equal for equal tokens, wherever they came from.</summary>
    public string Hash { get; }

    private static IEnumerable<TokenBatch> Cut(IReadOnlyList<int[]> rows, int tokensPerBatch)
    {
        var pending = new List<int[]>();
        foreach (var row in rows)
        {
            var longest = Math.Max(row.Length, pending.Select(r => r.Length).DefaultIfEmpty(0).Max());
            if (pending.Count > 0 && (pending.Count + 1L) * longest > tokensPerBatch)
            {
                yield return TokenBatch.LeftPadded(pending, 0);
                pending.Clear();
            }

            pending.Add(row);
        }

        yield return TokenBatch.LeftPadded(pending, 0);
    }

    private static string HashOf(IReadOnlyList<int[]> rows)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> word = stackalloc byte[sizeof(int)];
        foreach (var row in rows)
        {
            BinaryPrimitives.WriteInt32LittleEndian(word, row.Length);
            hash.AppendData(word);
            foreach (var id in row)
            {
                BinaryPrimitives.WriteInt32LittleEndian(word, id);
                hash.AppendData(word);
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
