using System.Collections.Concurrent;
using System.Reflection;
using Generated.Cuda;
using Generated.Layers;
using Generated.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Kernels.Cuda;

/// <summary>
/// Own CUDA kernels for low-bit weights: products of few rows, which read a weight's bits once and nothing else of it, and the dequantized weight for
/// many rows. Values are float32, float16 or bfloat16; codes and values are multiplied exactly and summed in float32. They need NVRTC and the matrix
/// instructions of compute capability 8.0.
/// </summary>
internal static unsafe class LowBitKernels
{
    /// <summary>Most rows of <see cref="MultiplyFew"/>.</summary>
    public const int MaxRows = 8;

    /// <summary>Widths are a multiple of it: a lane takes so many inputs at once.</summary>
    private const int WidthStep = 8;

    private const int OldestMajor = 8;
    private static readonly ConcurrentDictionary<(int Device, ScalarType Storage, int Bits, int Groups, bool Wide), Module> Modules = new();
    private static readonly CudaSource Few = Source("weights.cu", "tiles.cu", "low_bit.cu");

    /// <summary>Whether a device and this installation have the kernels.</summary>
    public static bool AreOn(Device device) => CudaSteps.IsOn && Nvrtc.IsAvailable && CudaDriver.Describe(Math.Max(0, device.index)).Major >= OldestMajor;

    /// <summary>Whether there are kernels for weights of a width.</summary>
    public static bool CanRun(int inWidth, Device device) => inWidth % WidthStep == 0 && AreOn(device);

    /// <summary>Source beside this class.</summary>
    public static CudaSource Source(params string[] files) => new(Assembly.GetExecutingAssembly(), "Generated.Quant.Kernels.Cuda.", files);

    /// <summary>Whether the kernels take values of a type.</summary>
    public static bool Takes(ScalarType type) => type is ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16;

    /// <summary>y = x · Wᵀ + bias for at most <see cref="MaxRows"/> rows and the weights of <paramref name="all"/>, side by side in y.</summary>
    /// <param name="y">[rows, outputs of all] in x's type, contiguous; written.</param>
    /// <param name="x">[rows, in], contiguous.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="weight">One of the weights, which are alike.</param>
    /// <param name="all">All of them; the caller keeps them alive.</param>
    public static void MultiplyFew(Tensor y, Tensor x, int rows, TiledWeight weight, WeightArguments all)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, MaxRows);
        int inWidth = weight.InWidth, group = weight.GroupSize, groups = weight.Groups, width = all.Width;
        nint result = TorchSharpExports.Address(y), input = TorchSharpExports.Address(x);
        void** arguments = stackalloc void*[] { &result, &input, &all, &rows, &inWidth, &group, &groups, &width };
        CudaDriver.Launch(For(x, weight).MultiplyFew, (all.Tiles(TileLayout.Rows), 1, 1), Threads(weight.Bits), arguments);
        GC.KeepAlive(y);
        GC.KeepAlive(x);
        GC.KeepAlive(weight);
    }

    /// <summary>Writes outputs of the weight itself, columns in the order of the codes.</summary>
    /// <param name="rows">[at least place + count, in] of a type that the kernels take, contiguous.</param>
    /// <param name="place">The row that the first output becomes.</param>
    /// <param name="weight">The weight.</param>
    /// <param name="first">The first output, a multiple of <see cref="TileLayout.Rows"/>.</param>
    /// <param name="count">Number of outputs.</param>
    public static void Dequantize(Tensor rows, int place, TiledWeight weight, int first, int count)
    {
        int inWidth = weight.InWidth, group = weight.GroupSize, groups = weight.Groups, end = first + count, tile = first / TileLayout.Rows;
        var whole = weight.Argument;
        nint values = TorchSharpExports.Address(rows) + (nint)(place * (long)inWidth * rows.ElementSize), codes = whole.Codes, scales = whole.Scales;
        void** arguments = stackalloc void*[] { &values, &codes, &scales, &end, &inWidth, &group, &groups, &tile };
        var warps = Threads(weight.Bits) / 32;
        CudaDriver.Launch(
            For(rows, weight).Dequantize, (TileLayout.TileRows(count), (TileLayout.TilesPerRow(weight.Bits, inWidth) + warps - 1) / warps, 1), Threads(weight.Bits), arguments);
        GC.KeepAlive(rows);
        GC.KeepAlive(weight);
    }

    /// <summary>Threads of a block, 32 · WARPS of the source.</summary>
    private static int Threads(int bits) => bits == 8 ? 512 : 256;

    private static Module For(Tensor like, TiledWeight weight) => Modules.GetOrAdd(
        (like.device_index, like.dtype, weight.Bits, weight.GroupsPerTile, weight.HasWideScales),
        key => new Module(Few.Compile(key.Device, key.Storage, $"-DBITS={key.Bits}", $"-DGROUPS={key.Groups}", $"-DWIDE={(key.Wide ? 1 : 0)}")));

    private sealed class Module(CudaModule module)
    {
        public CudaFunction MultiplyFew { get; } = module.Function("multiply_few");
        public CudaFunction Dequantize { get; } = module.Function("dequantize");
    }
}
