namespace Generated.Quant.Kernels.Cuda;

/// <summary>How <see cref="WgmmaKernels"/> divide a product over a device.</summary>
/// <param name="Rows">Rows of the input in a tile: 64, 128 or 256.</param>
/// <param name="Split">Blocks that share a tile, each with a part of the columns: 1 or 2.</param>
internal readonly record struct WgmmaPlan(int Rows, int Split)
{
    /// <summary>Outputs of a tile.</summary>
    public const int Outputs = 128;

    private const int RoomBytes = 227 << 10; // a block's shared memory at most
    private const int MostStages = 12;
    private const int BarrierBytes = 2 * sizeof(long); // of a stage, and as much beside
    private const int Alignment = 1024;
    private const int StagedBytes = 2 * 32 * 128;

    // What a tile costs besides its columns, in columns of 256 rows; fitted to one H100 (int4 and int8, LLaMA-7B widths), as are the costs of fewer rows.
    private const double WholeTile = 250;
    private const double SharedTile = 650;

    /// <summary>All plans.</summary>
    public static IReadOnlyList<WgmmaPlan> All { get; } = [.. from rows in (int[])[256, 128, 64] from split in (int[])[1, 2] select new WgmmaPlan(rows, split)];

    /// <summary>The plan with the least time for the busiest multiprocessor.</summary>
    /// <param name="rows">Rows of the input.</param>
    /// <param name="columns">Columns of the input.</param>
    /// <param name="tiles">Tiles of <see cref="Outputs"/> outputs.</param>
    /// <param name="multiprocessors">Those of the device.</param>
    public static WgmmaPlan For(int rows, int columns, int tiles, int multiprocessors) => All.MinBy(plan => plan.Time(rows, columns, tiles, multiprocessors));

    /// <summary>Stages of 64 columns that shared memory has room for; of 4 bits, two share a tile of the weight.</summary>
    public int Stages(int bits)
    {
        var stages = Math.Min(MostStages, (RoomBytes - OtherBytes) / StageBytes(bits));
        return bits == 4 ? stages / 2 * 2 : stages;
    }

    /// <summary>Shared memory of a block.</summary>
    public int SharedBytes(int bits) => OtherBytes + Stages(bits) * StageBytes(bits);

    private int OtherBytes => Alignment + BarrierBytes + (Split == 1 ? StagedBytes : Outputs * Rows / Split * sizeof(float));

    private int StageBytes(int bits) => Rows * 128 + Outputs * 64 * bits / 8 + BarrierBytes;

    private double Time(int rows, int columns, int tiles, int multiprocessors)
    {
        var count = (long)tiles * ((rows + Rows - 1) / Rows);
        var places = Math.Max(1, multiprocessors / Split);
        var ofColumn = Rows switch { 256 => 1, 128 => 0.75, _ => 0.65 };
        return (count + places - 1) / places * (ofColumn * columns / Split + (Split == 1 ? WholeTile : SharedTile));
    }
}
