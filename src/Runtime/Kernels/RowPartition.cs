namespace Generated.Kernels;

/// <summary>How rows of a matrix are cut into parts for a <see cref="ThreadTeam"/>.</summary>
internal readonly struct RowPartition
{
    /// <summary>Less work than this is not worth a second thread.</summary>
    private const long SerialBytes = 32 * 1024;

    /// <summary>Parts below this lose more to claiming and to the hardware prefetcher's restart than they gain in balance.</summary>
    private const long ChunkBytes = 64 * 1024;

    private const int ChunksPerMember = 8;

    private RowPartition(int rows, int rowsPerChunk)
    {
        Rows = rows;
        RowsPerChunk = rowsPerChunk;
    }

    public int Rows { get; }

    public int RowsPerChunk { get; }

    public int Chunks => (Rows + RowsPerChunk - 1) / RowsPerChunk;

    /// <param name="rows">Rows to share out.</param>
    /// <param name="bytesPerRow">Memory that one row reads, the measure of its work.</param>
    /// <param name="members">Size of the team.</param>
    /// <param name="multiple">Every part but the last has a multiple of this many rows.</param>
    public static RowPartition Of(int rows, long bytesPerRow, int members, int multiple)
    {
        var bytes = rows * bytesPerRow;
        if (members == 1 || bytes <= SerialBytes)
            return new RowPartition(rows, Math.Max(rows, 1));
        var chunks = Math.Clamp(bytes / ChunkBytes, members, (long)members * ChunksPerMember);
        var rowsPerChunk = (rows + chunks - 1) / chunks;
        return new RowPartition(rows, (int)((rowsPerChunk + multiple - 1) / multiple * multiple));
    }

    public int Start(int chunk) => chunk * RowsPerChunk;

    public int End(int chunk) => (int)Math.Min((long)(chunk + 1) * RowsPerChunk, Rows);
}
