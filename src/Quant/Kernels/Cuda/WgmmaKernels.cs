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
    private const int Threads = 384;
    private const int ColumnsOfStage = 64;
    private static readonly ConcurrentDictionary<Key, CudaFunction> Kernels = new();
    private static readonly ConcurrentDictionary<int, Hopper> Devices = new();
    private static readonly CudaSource Source = LowBitKernels.Source("weights.cu", "tiles.cu", "hopper.cu", "low_bit_wgmma.cu") with { UsesOwnFeatures = true };

    /// <summary>Whether a device and this installation have the kernel.</summary>
    public static bool AreOn(Device device) => LowBitKernels.AreOn(device) && On(Math.Max(0, device.index)).IsHopper;

    /// <summary>Whether the kernel takes an input; the weight is one that <see cref="LowBitKernels"/> take.</summary>
    /// <param name="x">[rows, in], contiguous, on CUDA.</param>
    public static bool CanMultiply(Tensor x) =>
        x.dtype is ScalarType.Float16 or ScalarType.BFloat16 && On(x.device_index).IsHopper && TorchSharpExports.Address(x) % TensorMap.Alignment == 0;

    /// <summary>y = x · Wᵀ + bias for any number of rows and the weights of <paramref name="all"/>, side by side in y.</summary>
    /// <param name="y">[rows, outputs of all] in x's type, contiguous; written.</param>
    /// <param name="x">[rows, in], which <see cref="CanMultiply"/>.</param>
    /// <param name="weight">One of the weights, which are alike.</param>
    /// <param name="all">All of them; the caller keeps them alive.</param>
    public static void Multiply(Tensor y, Tensor x, TiledWeight weight, WeightArguments all) =>
        Multiply(y, x, weight, all, WgmmaPlan.For((int)x.size(0), weight.InWidth, all.Tiles(WgmmaPlan.Outputs), On(x.device_index).Multiprocessors));

    /// <summary>The same by a given plan.</summary>
    internal static void Multiply(Tensor y, Tensor x, TiledWeight weight, WeightArguments all, WgmmaPlan plan)
    {
        int rows = (int)x.size(0), inWidth = weight.InWidth, group = weight.GroupSize, groups = weight.Groups, width = all.Width;
        int tiles = all.Tiles(WgmmaPlan.Outputs), rowTiles = (rows + plan.Rows - 1) / plan.Rows;
        var kernel = Kernels.GetOrAdd(new Key(x.device_index, x.dtype, weight.Bits, weight.GroupsPerTile, weight.HasWideScales, groups == 1, plan), Compile);
        var map = TensorMap.OfRows(TorchSharpExports.Address(x), x.dtype, rows, inWidth, ColumnsOfStage, plan.Rows);
        var result = TorchSharpExports.Address(y);
        void** arguments = stackalloc void*[] { &map, &result, &all, &rows, &inWidth, &group, &groups, &width, &tiles, &rowTiles };
        var blocks = plan.Split * (int)Math.Min((long)tiles * rowTiles, On(x.device_index).Multiprocessors / plan.Split);
        CudaDriver.Launch(kernel, (blocks, 1, 1), Threads, arguments, plan.SharedBytes(weight.Bits));
        GC.KeepAlive(y);
        GC.KeepAlive(x);
        GC.KeepAlive(weight);
    }

    private static Hopper On(int device) => Devices.GetOrAdd(device, static index =>
    {
        var (_, major, minor) = CudaDriver.Describe(index);
        return new Hopper((major, minor) == (9, 0), CudaDriver.Multiprocessors(index));
    });

    private static CudaFunction Compile(Key key) => Source
        .Compile(
            key.Device, key.Storage, $"-DBITS={key.Bits}", $"-DGROUPS={key.Groups}", $"-DWIDE={(key.Wide ? 1 : 0)}", $"-DCHANNEL={(key.PerChannel ? 1 : 0)}",
            $"-DROWS={key.Plan.Rows}", $"-DSPLIT={key.Plan.Split}", $"-DSTAGES={key.Plan.Stages(key.Bits)}")
        .Function("multiply_many", key.Plan.SharedBytes(key.Bits));

    private readonly record struct Hopper(bool IsHopper, int Multiprocessors);

    private readonly record struct Key(int Device, ScalarType Storage, int Bits, int Groups, bool Wide, bool PerChannel, WgmmaPlan Plan);
}
