using System.Collections.Concurrent;
using Generated.Cuda;
using Generated.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Kernels.Cuda;

/// <summary>
/// Products of many rows with low-bit weights by an own kernel that dequantizes within the product, on the warpgroup matrix instructions of compute
/// capability 9.0. Inputs are float16 or bfloat16, sums float32.
/// </summary>
internal static unsafe class WgmmaKernels
{
    private const int Outputs = 128; // of a block, as in the source
    private const int Step = 64; // columns of a stage
    private const int Threads = 288;
    private const int StageBarriers = 2 * sizeof(long);
    private static readonly ConcurrentDictionary<Key, Kernel> Kernels = new();
    private static readonly ConcurrentDictionary<int, Hopper> Devices = new();
    private static readonly CudaSource Source = LowBitKernels.Source("weights.cu", "tiles.cu", "low_bit_wgmma.cu") with { UsesOwnFeatures = true };

    /// <summary>Whether the kernel takes an input and is the faster way for so many rows; the weight is one that <see cref="LowBitKernels"/> take.</summary>
    /// <param name="x">[rows, in], contiguous.</param>
    /// <param name="weight">The weight.</param>
    public static bool CanMultiply(Tensor x, TiledWeight weight) =>
        x.dtype is ScalarType.Float16 or ScalarType.BFloat16 && On(x.device_index).IsHopper && TorchSharpExports.Address(x) % TensorMap.Alignment == 0;

    /// <summary>y = x · Wᵀ + bias for any number of rows and the weights of <paramref name="all"/>, side by side in y.</summary>
    /// <param name="y">[rows, outputs of all] in x's type, contiguous; written.</param>
    /// <param name="x">[rows, in], which <see cref="CanMultiply"/>.</param>
    /// <param name="weight">One of the weights, which are alike.</param>
    /// <param name="all">All of them; the caller keeps them alive.</param>
    public static void Multiply(Tensor y, Tensor x, TiledWeight weight, WeightArguments all)
    {
        int rows = (int)x.size(0), inWidth = weight.InWidth, group = weight.GroupSize, groups = weight.Groups, width = all.Width;
        var plan = Plan.For(rows);
        var kernel = Kernels.GetOrAdd(new Key(x.device_index, x.dtype, weight.Bits, weight.GroupsPerTile, weight.HasWideScales, groups == 1, plan), Compile);
        int tiles = all.Tiles(Outputs), rowTiles = (rows + plan.Rows - 1) / plan.Rows, teams = (tiles + plan.Cluster - 1) / plan.Cluster;
        var map = TensorMap.OfRows(TorchSharpExports.Address(x), x.dtype, rows, inWidth, Step, plan.Rows / plan.Cluster);
        var result = TorchSharpExports.Address(y);
        void** arguments = stackalloc void*[] { &map, &result, &all, &rows, &inWidth, &group, &groups, &width, &tiles, &rowTiles };
        var blocks = Math.Min((long)teams * rowTiles, On(x.device_index).Multiprocessors * plan.Resident / plan.Cluster) * plan.Cluster;
        CudaDriver.Launch(kernel.Function, ((int)blocks, 1, 1), Threads, arguments, kernel.SharedBytes);
        GC.KeepAlive(y);
        GC.KeepAlive(x);
        GC.KeepAlive(weight);
    }

    private static Hopper On(int device) => Devices.GetOrAdd(device, static index =>
    {
        var (_, major, minor) = CudaDriver.Describe(index);
        return new Hopper((major, minor) == (9, 0), CudaDriver.Multiprocessors(index));
    });

    private static Kernel Compile(Key key)
    {
        var plan = key.Plan;
        var (rows, stages) = (plan.Rows, plan.Stages(key.Bits));
        var module = Source.Compile(
            key.Device, key.Storage, $"-DBITS={key.Bits}", $"-DGROUPS={key.Groups}", $"-DWIDE={(key.Wide ? 1 : 0)}", $"-DCHANNEL={(key.PerChannel ? 1 : 0)}",
            $"-DROWS={rows}", $"-DCLUSTER={plan.Cluster}", $"-DSTAGES={stages}", $"-DRESIDENT={plan.Resident}");
        var slots = stages * Step / TileLayout.Columns(key.Bits);
        var shared = 1024 + stages * rows * Step * sizeof(ushort) + slots * (Outputs / TileLayout.Rows) * TileLayout.Bytes + stages * StageBarriers;
        return new Kernel(module.Function("multiply_many", shared), shared);
    }

    /// <summary>How the work is divided.</summary>
    /// <param name="Rows">Rows of x in a tile.</param>
    /// <param name="Cluster">Blocks of neighbouring outputs that share a tile of x.</param>
    /// <param name="Resident">Blocks on a multiprocessor.</param>
    private readonly record struct Plan(int Rows, int Cluster, int Resident)
    {
        public static Plan For(int rows) => new(128, 2, 2);

        /// <summary>Stages that a multiprocessor's shared memory has room for.</summary>
        public int Stages(int bits) => 4;
    }

    private readonly record struct Hopper(bool IsHopper, int Multiprocessors);

    private readonly record struct Key(int Device, ScalarType Storage, int Bits, int Groups, bool Wide, bool PerChannel, Plan Plan);

    private readonly record struct Kernel(CudaFunction Function, int SharedBytes);
}
