namespace Generated.Kernels;

/// <summary>How a matrix is cut into blocks of columns that a cache holds, each block's rows side by side, padded to whole vectors with zeros.</summary>
/// <remarks>Rows of a power of two of bytes would fall on the same few lines of a cache; a block's rows are a little further apart.</remarks>
internal readonly unsafe struct ColumnBlocks
{
    /// <summary>A weight tile of four rows and three rows of input stay in a first-level cache of 32 KB.</summary>
    private const int MostColumns = 768;

    private const int Lanes = 8;
    private const int Gap = 16;

    private readonly int _width;

    private ColumnBlocks(int inWidth, int width) => (InWidth, _width) = (inWidth, width);

    /// <summary>Columns of the matrix.</summary>
    public int InWidth { get; }

    /// <summary>Elements from one row of a block to the next.</summary>
    public int Stride => _width + Gap;

    /// <summary>Number of blocks, at least one.</summary>
    public int Count => Math.Max(1, (InWidth + _width - 1) / _width);

    /// <summary>Blocks of nearly equal width.</summary>
    public static ColumnBlocks Of(int inWidth)
    {
        var blocks = Math.Max(1, (inWidth + MostColumns - 1) / MostColumns);
        var width = (inWidth + blocks - 1) / blocks;
        return new ColumnBlocks(inWidth, Math.Max(Lanes, (width + Lanes - 1) / Lanes * Lanes));
    }

    /// <summary>First column of a block.</summary>
    public int Start(int block) => block * _width;

    /// <summary>Columns of a block that the matrix has.</summary>
    public int Width(int block) => Math.Min(_width, InWidth - Start(block));

    /// <summary>The same with the padding.</summary>
    public int PaddedWidth(int block) => (Width(block) + Lanes - 1) / Lanes * Lanes;

    /// <summary>Elements that some rows take.</summary>
    public long Size(int rows) => (long)Count * rows * Stride;

    /// <summary>Where a row of a block lies.</summary>
    public float* Row(float* blocks, int rows, int block, int row) => blocks + ((long)block * rows + row) * Stride;
}
