using System.Collections.Concurrent;
using Generated.Cuda;
using Generated.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Kernels.Cuda;

/// <summary>
/// Own CUDA kernels for 8-bit inputs and 8-bit weights of one scale per output: rounding of rows, products of few rows in exact integer sums, and the
/// scaling of sums made elsewhere. They need what <see cref="LowBitKernels"/> need.
/// </summary>
internal static unsafe class Int8RowKernels
{
    /// <summary>Most rows of <see cref="MultiplyCodes"/>.</summary>
    public const int MaxRows = 8;

    /// <summary>Widest row of <see cref="MultiplyRow"/>, whose codes lie in shared memory.</summary>
    public const int MaxRowWidth = 36 << 10;

    private const int WidthStep = 16; // columns that a lane takes at once
    private const int OutStep = 4; // sums that a thread scales
    private const int ProductThreads = 512;
    private const int Threads = 256;
    private static readonly ConcurrentDictionary<(int Device, ScalarType Storage), Module> Modules = new();
    private static readonly CudaSource Source = LowBitKernels.Source("weights.cu", "int8_rows.cu");

    /// <summary>Whether there are kernels for weights of these widths.</summary>
    public static bool CanRun(int outWidth, int inWidth, Device device) => inWidth % WidthStep == 0 && outWidth % OutStep == 0 && LowBitKernels.AreOn(device);

    /// <summary>Rows as 8-bit codes, ties to even, and the scale of each; both are the caller's.</summary>
    /// <param name="x">[rows, in], contiguous.</param>
    /// <param name="scale">The scale of all rows; null for the largest magnitude of each by 127.</param>
    /// <param name="room">Rows that the codes have memory for; those beyond the input's are not written.</param>
    public static (Tensor Codes, Tensor Scales) QuantizeRows(Tensor x, float? scale, long room)
    {
        int rows = (int)x.size(0), width = (int)x.size(1);
        var (codes, scales) = (empty([room, width], ScalarType.Int8, x.device), empty([rows], ScalarType.Float32, x.device));
        nint result = Pointer(codes), rowScales = Pointer(scales), input = Pointer(x);
        var given = scale ?? 0;
        void** arguments = stackalloc void*[] { &result, &rowScales, &input, &width, &given };
        CudaDriver.Launch(For(x).QuantizeRows, (rows, 1, 1), Threads, arguments);
        GC.KeepAlive(x);
        return (codes, scales);
    }

    /// <summary>y = x · Wᵀ + bias for one row, which is rounded on the way.</summary>
    /// <param name="y">[outputs of all] in x's type; written.</param>
    /// <param name="x">[in], contiguous, at most <see cref="MaxRowWidth"/>.</param>
    /// <param name="scale">The scale of the row; null for its largest magnitude by 127.</param>
    /// <param name="inWidth">Width of the row.</param>
    /// <param name="all">The weights; the caller keeps them alive.</param>
    public static void MultiplyRow(Tensor y, Tensor x, float? scale, int inWidth, WeightArguments all)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(inWidth, MaxRowWidth);
        var (given, width) = (scale ?? 0, all.Width);
        nint result = Pointer(y), input = Pointer(x);
        void** arguments = stackalloc void*[] { &result, &input, &given, &all, &inWidth, &width };
        CudaDriver.Launch(For(x).MultiplyRow, (all.Tiles(TileLayout.Rows), 1, 1), ProductThreads, arguments, inWidth);
        GC.KeepAlive(y);
        GC.KeepAlive(x);
    }

    /// <summary>y = x · Wᵀ + bias for at most <see cref="MaxRows"/> rows of codes.</summary>
    /// <param name="y">[rows, outputs of all], contiguous; written.</param>
    /// <param name="codes">[at least rows, in], contiguous.</param>
    /// <param name="rowScales">[rows].</param>
    /// <param name="all">The weights; the caller keeps them alive.</param>
    public static void MultiplyCodes(Tensor y, Tensor codes, Tensor rowScales, WeightArguments all)
    {
        int rows = (int)y.size(0), inWidth = (int)codes.size(1), width = all.Width;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, MaxRows);
        nint result = Pointer(y), input = Pointer(codes), scales = Pointer(rowScales);
        void** arguments = stackalloc void*[] { &result, &input, &scales, &all, &rows, &inWidth, &width };
        CudaDriver.Launch(For(y).MultiplyCodes, (all.Tiles(TileLayout.Rows), 1, 1), ProductThreads, arguments);
        GC.KeepAlive(y);
        GC.KeepAlive(codes);
        GC.KeepAlive(rowScales);
    }

    /// <summary>Writes integer sums, by the scales of rows and outputs, and the bias, to columns of a result.</summary>
    /// <param name="y">[rows, width], contiguous.</param>
    /// <param name="first">The first column, a multiple of 4, as is the width.</param>
    /// <param name="sums">[at least rows, out] int32, contiguous.</param>
    /// <param name="rowScales">[rows].</param>
    /// <param name="scales">[out] float32.</param>
    /// <param name="bias">[out] float32, or null.</param>
    public static void ScaleSums(Tensor y, int first, Tensor sums, Tensor rowScales, Tensor scales, Tensor? bias)
    {
        int rows = (int)y.size(0), outWidth = (int)sums.size(1), width = (int)y.size(1);
        nint result = Pointer(y) + (nint)(first * y.ElementSize), integers = Pointer(sums), perRow = Pointer(rowScales), perOutput = Pointer(scales), offset = bias is null ? 0 : Pointer(bias);
        void** arguments = stackalloc void*[] { &result, &integers, &perRow, &perOutput, &offset, &outWidth, &width };
        CudaDriver.Launch(For(y).ScaleSums, (rows, (outWidth / OutStep + Threads - 1) / Threads, 1), Threads, arguments);
        GC.KeepAlive(y);
        GC.KeepAlive(sums);
        GC.KeepAlive(rowScales);
        GC.KeepAlive(bias);
    }

    private static nint Pointer(Tensor t) => TorchSharpExports.Address(t);

    private static Module For(Tensor like) => Modules.GetOrAdd((like.device_index, like.dtype), key => new Module(Source.Compile(key.Device, key.Storage)));

    private sealed class Module(CudaModule module)
    {
        public CudaFunction QuantizeRows { get; } = module.Function("quantize_rows");
        public CudaFunction MultiplyRow { get; } = module.Function("multiply_row");
        public CudaFunction MultiplyCodes { get; } = module.Function("multiply_codes");
        public CudaFunction ScaleSums { get; } = module.Function("scale_sums");
    }
}
