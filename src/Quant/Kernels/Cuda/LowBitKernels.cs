using System.Collections.Concurrent;
using System.Reflection;
using Generated.Cuda;
using Generated.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Kernels.Cuda;

/// <summary>
/// Own CUDA kernels for low-bit weights: products of few rows, which read a weight's bits once and nothing else of it, the dequantized
/// weight for many rows, and codes of 8-bit inputs. Values are float32, float16 or bfloat16; sums are float32, or exact integers. They need NVRTC.
/// </summary>
internal static unsafe class LowBitKernels
{
    /// <summary>Most rows of <see cref="MultiplyFew"/> and <see cref="MultiplyCodes"/>.</summary>
    public const int MaxRows = 8;

    private const int WarpsPerBlock = 4;
    private const int Threads = 128;
    private static readonly ConcurrentDictionary<(ScalarType Storage, int Bits), Module> Modules = new();

    /// <summary>Whether there is a compiler, and a lane's columns never cross a row's end.</summary>
    public static bool CanRun(int bits, int inWidth) => inWidth % Step(bits) == 0 && Nvrtc.IsAvailable;

    /// <summary>y = x · Wᵀ + bias for at most <see cref="MaxRows"/> rows.</summary>
    /// <param name="x">[rows, in], contiguous.</param>
    /// <param name="weight">The weight's codes, scales and zero points.</param>
    /// <param name="bias">[out] float32, or null.</param>
    /// <returns>[rows, out] in x's type; the caller's.</returns>
    public static Tensor MultiplyFew(Tensor x, CodeTable weight, Tensor? bias)
    {
        int rows = (int)x.shape[0], inWidth = weight.InWidth, outWidth = weight.OutWidth, group = weight.GroupSize, groups = weight.Groups;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, MaxRows);
        var y = empty([rows, outWidth], x.dtype, x.device);
        nint result = Pointer(y), input = Pointer(x), codes = Pointer(weight.Codes), scales = Pointer(weight.Scales), zeros = PointerOrNull(weight.Zeros), offset = PointerOrNull(bias);
        void** arguments = stackalloc void*[] { &result, &input, &codes, &scales, &zeros, &offset, &rows, &inWidth, &outWidth, &group, &groups };
        CudaDriver.Launch(For(x.dtype, weight.Bits).MultiplyFew, ((outWidth + WarpsPerBlock - 1) / WarpsPerBlock, 1, 1), Threads, arguments);
        Keep(x, y, bias, weight);
        return y;
    }

    /// <summary>The weight, [out, in] in a type, columns in the order of the codes; the caller's.</summary>
    public static Tensor Dequantize(CodeTable weight, ScalarType type)
    {
        int inWidth = weight.InWidth, group = weight.GroupSize, groups = weight.Groups;
        var result = empty([weight.OutWidth, inWidth], type, weight.Codes.device);
        nint values = Pointer(result), codes = Pointer(weight.Codes), scales = Pointer(weight.Scales), zeros = PointerOrNull(weight.Zeros);
        void** arguments = stackalloc void*[] { &values, &codes, &scales, &zeros, &inWidth, &group, &groups };
        var blocks = (inWidth / Step(weight.Bits) + Threads - 1) / Threads;
        CudaDriver.Launch(For(type, weight.Bits).Dequantize, (weight.OutWidth, blocks, 1), Threads, arguments);
        Keep(result, null, null, weight);
        return result;
    }

    /// <summary>Rows as 8-bit codes, ties to even, and the scale of each; both are the caller's.</summary>
    /// <param name="x">[rows, width], contiguous.</param>
    /// <param name="scale">The scale of all rows; null for the largest magnitude of each by 127.</param>
    public static (Tensor Codes, Tensor Scales) QuantizeRows(Tensor x, float? scale)
    {
        int rows = (int)x.shape[0], width = (int)x.shape[1];
        var (codes, scales) = (empty(x.shape, ScalarType.Int8, x.device), empty([rows], ScalarType.Float32, x.device));
        nint result = Pointer(codes), rowScales = Pointer(scales), input = Pointer(x);
        var given = scale ?? 0;
        void** arguments = stackalloc void*[] { &result, &rowScales, &input, &width, &given };
        CudaDriver.Launch(For(x.dtype, 8).QuantizeRows, (rows, 1, 1), 256, arguments);
        Keep(x, codes, scales, null);
        return (codes, scales);
    }

    /// <summary>At most <see cref="MaxRows"/> rows of codes by 8-bit codes with one scale per output, summed exactly; [rows, out], the caller's.</summary>
    public static Tensor MultiplyCodes(Tensor codes, Tensor rowScales, CodeTable weight, Tensor? bias, ScalarType type)
    {
        int rows = (int)codes.shape[0], inWidth = weight.InWidth, outWidth = weight.OutWidth;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, MaxRows);
        var y = empty([rows, outWidth], type, codes.device);
        nint result = Pointer(y), input = Pointer(codes), perRow = Pointer(rowScales), weights = Pointer(weight.Codes), scales = Pointer(weight.Scales), offset = PointerOrNull(bias);
        void** arguments = stackalloc void*[] { &result, &input, &perRow, &weights, &scales, &offset, &rows, &inWidth, &outWidth };
        CudaDriver.Launch(For(type, 8).MultiplyCodes, ((outWidth + WarpsPerBlock - 1) / WarpsPerBlock, 1, 1), Threads, arguments);
        Keep(codes, rowScales, bias, weight);
        GC.KeepAlive(y);
        return y;
    }

    /// <summary>Integer sums [rows, out] by the scales of rows and outputs, and the bias; the caller's.</summary>
    public static Tensor ScaleSums(Tensor sums, Tensor rowScales, CodeTable weight, Tensor? bias, ScalarType type)
    {
        int rows = (int)sums.shape[0], outWidth = weight.OutWidth;
        var y = empty([rows, outWidth], type, sums.device);
        nint result = Pointer(y), integers = Pointer(sums), perRow = Pointer(rowScales), scales = Pointer(weight.Scales), offset = PointerOrNull(bias);
        void** arguments = stackalloc void*[] { &result, &integers, &perRow, &scales, &offset, &outWidth };
        CudaDriver.Launch(For(type, 8).ScaleSums, (rows, (outWidth + Threads - 1) / Threads, 1), Threads, arguments);
        Keep(sums, rowScales, bias, weight);
        GC.KeepAlive(y);
        return y;
    }

    private static int Step(int bits) => bits == 8 ? 16 : 32;

    private static Module For(ScalarType storage, int bits) => Modules.GetOrAdd((storage, bits), key => new Module(
        CudaModule.Compile(Assembly.GetExecutingAssembly(), "Generated.Quant.Kernels.Cuda.low_bit.cu", key.Storage, $"-DBITS={key.Bits}"), key.Bits));

    private static nint Pointer(Tensor t) => TorchSharpExports.Address(t);

    private static nint PointerOrNull(Tensor? t) => t is null ? 0 : Pointer(t);

    // Handles' finalisers must not run between taking a pointer and the launch.
    private static void Keep(Tensor a, Tensor? b, Tensor? c, CodeTable? weight)
    {
        GC.KeepAlive(a);
        GC.KeepAlive(b);
        GC.KeepAlive(c);
        GC.KeepAlive(weight);
    }

    private sealed class Module(nint module, int bits)
    {
        public nint MultiplyFew { get; } = CudaDriver.Function(module, "multiply_few");
        public nint Dequantize { get; } = CudaDriver.Function(module, "dequantize");
        public nint QuantizeRows { get; } = bits == 8 ? CudaDriver.Function(module, "quantize_rows") : 0;
        public nint MultiplyCodes { get; } = bits == 8 ? CudaDriver.Function(module, "multiply_codes") : 0;
        public nint ScaleSums { get; } = bits == 8 ? CudaDriver.Function(module, "scale_sums") : 0;
    }
}

/// <summary>A weight's parts on a device, as the kernels take them.</summary>
/// <param name="Bits">8 or 4.</param>
/// <param name="OutWidth">Rows.</param>
/// <param name="InWidth">Columns.</param>
/// <param name="GroupSize">Columns of a group.</param>
/// <param name="Codes">[out, in] int8, or [out, in / 2] bytes with the even column in the high half.</param>
/// <param name="Scales">[out, groups] float32.</param>
/// <param name="Zeros">[out, groups] float32, or null.</param>
internal sealed record CodeTable(int Bits, int OutWidth, int InWidth, int GroupSize, Tensor Codes, Tensor Scales, Tensor? Zeros)
{
    public int Groups => (int)Scales.shape[1];
}
