using System.Collections.Concurrent;
using System.Reflection;
using Generated.Native;
using static TorchSharp.torch;

namespace Generated.Cuda;

/// <summary>
/// Own kernels for a decode step on a CUDA device, where a step of libtorch operators is bound by the cost of their
/// launches and not by memory: each replaces 2 to 12 operators. Inputs are float32, float16 or bfloat16; arithmetic
/// is float32. They work on the legacy default stream, as TorchSharp does, and need NVRTC (see <see cref="IsAvailable"/>).
/// </summary>
internal static unsafe class CudaKernels
{
    private const int HeadDimLimit = 256;
    private const int PositionsPerSplit = 64;
    private const int FewestSplits = 4; // at least so many may be made
    private const int MaximumSplits = 64;
    private const int EnoughBlocks = 544; // four on each multiprocessor; more only add sums to join
    private const int NormStep = 4; // features that a thread of the norm takes at once
    private static readonly ConcurrentDictionary<(int Device, ScalarType Storage, int HeadDim, bool Codes), Module> Modules = new();
    private static readonly CudaSource Source = new(Assembly.GetExecutingAssembly(), "Generated.Cuda.", "decode.cu");

    /// <summary>Whether the kernels can be used for tensors like <paramref name="tensor"/>.</summary>
    public static bool IsAvailable(Tensor tensor) =>
        tensor.device_type == TorchSharp.DeviceType.CUDA
        && tensor.dtype is ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16
        && Nvrtc.IsAvailable;

    /// <summary>Whether <see cref="Attend"/> has a kernel for this head width.</summary>
    public static bool CanAttend(int headDim) => headDim % 32 == 0 && headDim <= HeadDimLimit;

    /// <summary>Whether <see cref="RmsNorm"/> takes rows of this width.</summary>
    public static bool CanNormalise(int width) => width % NormStep == 0;

    /// <summary>RMSNorm of contiguous rows x [.., width].</summary>
    public static Tensor RmsNorm(Tensor x, Tensor weight, double epsilon)
    {
        var y = empty_like(x);
        Normalise(x, null, null, weight, y, epsilon);
        return y;
    }

    /// <summary>The sum of x and a residual, and its RMSNorm, in one launch; all [.., width], contiguous.</summary>
    public static (Tensor Sum, Tensor Normalised) AddRmsNorm(Tensor x, Tensor residual, Tensor weight, double epsilon)
    {
        var (sum, y) = (empty_like(x), empty_like(x));
        Normalise(x, residual, sum, weight, y, epsilon);
        return (sum, y);
    }

    /// <summary>silu(gate) · up; both [.., width] with unit stride in the last dimension (views of one fused result may be passed).</summary>
    public static Tensor SiluMultiply(Tensor gate, Tensor up)
    {
        var width = (int)gate.size(-1);
        var rows = (int)(gate.numel() / width);
        var y = gate.dim() == 3 ? empty([gate.size(0), gate.size(1), width], gate.dtype, gate.device) : empty(gate.shape, gate.dtype, gate.device);
        nint output = Pointer(y), gates = Pointer(gate), ups = Pointer(up);
        long gateStride = RowStride(gate), upStride = RowStride(up);
        void** arguments = stackalloc void*[] { &output, &gates, &ups, &width, &gateStride, &upStride };
        CudaDriver.Launch(For(gate).SiluMultiply, ((width + 255) / 256, rows, 1), 256, arguments);
        Keep(gate, up, y);
        return y;
    }

    /// <summary>
    /// Rotates the queries and keys of one new token a row and appends keys and values to the cache at <paramref name="slot"/>.
    /// q [rows, 1, heads·headDim], k and v [rows, 1, kvHeads·headDim] (views of a fused result may be passed);
    /// tables float32 [positions, rotaryDim/2]; positions int64 [rows, 1]. Returns the rotated queries, [rows, 1, heads·headDim].
    /// </summary>
    public static Tensor RotateAppend(
        Tensor q, Tensor k, Tensor v, in CudaCache cache, Tensor cosines, Tensor sines, Tensor positions, bool adjacent, int slot)
    {
        var width = q.size(-1);
        int rows = (int)cache.Keys.size(0), kvHeads = (int)cache.Keys.size(1), maxLength = (int)cache.Keys.size(2), headDim = (int)cache.Keys.size(3);
        int heads = (int)(width / headDim), rotaryDim = 2 * (int)cosines.size(1), pairing = adjacent ? 1 : 0;
        var rotated = empty([rows, 1, width], q.dtype, q.device);
        nint output = Pointer(rotated), keys = Pointer(cache.Keys), values = Pointer(cache.Values), qs = Pointer(q), ks = Pointer(k), vs = Pointer(v);
        nint keyScales = PointerOrNull(cache.KeyScales), valueScales = PointerOrNull(cache.ValueScales);
        nint cosine = Pointer(cosines), sine = Pointer(sines), position = Pointer(positions);
        long qStride = q.stride(0), kStride = k.stride(0), vStride = v.stride(0), positionStride = positions.stride(0);
        void** arguments = stackalloc void*[]
        {
            &output, &keys, &values, &keyScales, &valueScales, &qs, &ks, &vs, &qStride, &kStride, &vStride, &cosine, &sine, &position, &positionStride,
            &heads, &kvHeads, &headDim, &rotaryDim, &pairing, &slot, &maxLength,
        };
        CudaDriver.Launch(For(q, 0, cache.HasCodes).RotateAppend, (heads + kvHeads, rows, 1), Math.Min(128, headDim), arguments);
        Keep(q, k, v, rotated, positions, cosines, sines);
        return rotated;
    }

    /// <summary>
    /// Attention of one query a row over the first <paramref name="length"/> slots of the cache. q [rows, 1, heads·headDim];
    /// slopes float32 [heads] for ALiBi or null; starts int64 [rows], the first slot a row may see, or null; window 0 = all.
    /// </summary>
    public static Tensor Attend(Tensor q, in CudaCache cache, Tensor? slopes, Tensor? starts, int length, int window, double scale)
    {
        int rows = (int)cache.Keys.size(0), kvHeads = (int)cache.Keys.size(1), maxLength = (int)cache.Keys.size(2), headDim = (int)cache.Keys.size(3);
        var width = q.size(-1);
        int heads = (int)(width / headDim), most = Math.Clamp(EnoughBlocks / (rows * heads), FewestSplits, MaximumSplits);
        var splits = Math.Clamp((length + PositionsPerSplit - 1) / PositionsPerSplit, 1, most);
        var device = q.device;
        var scratch = AttentionScratch.For(device, (long)rows * heads * splits * (headDim + 2), rows * heads);
        var output = empty([rows, 1, width], q.dtype, device);
        nint result = Pointer(output), parts = Pointer(scratch.Parts), done = Pointer(scratch.Done), qs = Pointer(q), keys = Pointer(cache.Keys), values = Pointer(cache.Values);
        nint keyScales = PointerOrNull(cache.KeyScales), valueScales = PointerOrNull(cache.ValueScales), slope = PointerOrNull(slopes), start = PointerOrNull(starts);
        var factor = (float)scale;
        void** arguments = stackalloc void*[]
        {
            &result, &parts, &done, &qs, &keys, &values, &keyScales, &valueScales, &slope, &start, &heads, &kvHeads, &length, &window, &maxLength, &splits, &factor,
        };
        CudaDriver.Launch(For(q, headDim, cache.HasCodes).Attend, (heads, splits, rows), 128, arguments);
        Keep(q, cache.Keys, cache.Values, output);
        return output;
    }

    /// <summary>Keys or values of new tokens as 8-bit codes in a cache, and as what those stand for.</summary>
    /// <param name="x">[rows, kvHeads, tokens, headDim], features side by side.</param>
    /// <param name="cache">int8 [rows, kvHeads, maxLength, headDim]; written from <paramref name="position"/> on.</param>
    /// <param name="scales">float32 of each head.</param>
    /// <param name="position">Column of the first token.</param>
    /// <returns>x rounded, contiguous, in its type; the caller's.</returns>
    public static Tensor RoundToCache(Tensor x, Tensor cache, Tensor scales, int position)
    {
        int rows = (int)x.size(0), heads = (int)x.size(1), tokens = (int)x.size(2), headDim = (int)x.size(3), maxLength = (int)cache.size(2);
        var rounded = empty([rows, heads, tokens, headDim], x.dtype, x.device);
        nint result = Pointer(rounded), codes = Pointer(cache), input = Pointer(x), perHead = Pointer(scales);
        long rowStride = x.stride(0), headStride = x.stride(1), tokenStride = x.stride(2);
        void** arguments = stackalloc void*[] { &result, &codes, &input, &perHead, &rowStride, &headStride, &tokenStride, &tokens, &headDim, &position, &maxLength };
        CudaDriver.Launch(For(x, 0, codes: true).RoundToCache, (tokens, heads, rows), Math.Min(128, headDim), arguments);
        Keep(rounded, cache, x, scales);
        return rounded;
    }

    private static void Normalise(Tensor x, Tensor? residual, Tensor? sum, Tensor weight, Tensor y, double epsilon)
    {
        var width = (int)x.size(-1);
        var rows = (int)(x.numel() / width);
        nint output = Pointer(y), sums = sum is null ? 0 : Pointer(sum), xs = Pointer(x), residuals = residual is null ? 0 : Pointer(residual), weights = Pointer(weight);
        var floor = (float)epsilon;
        void** arguments = stackalloc void*[] { &output, &sums, &xs, &residuals, &weights, &width, &floor };
        CudaDriver.Launch(For(x).RmsNorm, (rows, 1, 1), Math.Min(512, (width / NormStep + 31) / 32 * 32), arguments);
        Keep(x, weight, y);
    }

    private static Module For(Tensor like, int headDim = 0, bool codes = false) => Modules.GetOrAdd((like.device_index, like.dtype, headDim, codes), Compile);

    private static Module Compile((int Device, ScalarType Storage, int HeadDim, bool Codes) key)
    {
        List<string> settings = [$"-DCODES={(key.Codes ? 1 : 0)}"];
        if (key.HeadDim > 0)
            settings.Add($"-DHEAD_DIM={key.HeadDim}");
        return new Module(Source.Compile(key.Device, key.Storage, settings), key.HeadDim > 0, key.Codes);
    }

    private static long RowStride(Tensor t) => t.dim() == 1 ? t.size(0) : t.stride((int)t.dim() - 2);

    private static nint Pointer(Tensor t) => TorchSharpExports.Address(t);

    private static nint PointerOrNull(Tensor? t) => t is null ? 0 : Pointer(t);

    // The handle's finaliser must not run between taking the pointer and the launch.
    private static void Keep(params ReadOnlySpan<Tensor> tensors)
    {
        foreach (var tensor in tensors) GC.KeepAlive(tensor);
    }

    private sealed class Module(CudaModule module, bool attends, bool codes)
    {
        public CudaFunction RmsNorm { get; } = module.Function("rms_norm");
        public CudaFunction SiluMultiply { get; } = module.Function("silu_multiply");
        public CudaFunction RotateAppend { get; } = module.Function("rotate_append");
        public CudaFunction RoundToCache { get; } = codes ? module.Function("round_to_cache") : default;
        public CudaFunction Attend { get; } = attends ? module.Function("attend") : default;
    }
}

/// <summary>A key/value cache, [rows, kvHeads, maxLength, headDim] each.</summary>
/// <param name="Keys">Keys, or their codes.</param>
/// <param name="Values">Values, or their codes.</param>
/// <param name="KeyScales">float32 of each key/value head where the cache holds signed 8-bit codes; else null.</param>
/// <param name="ValueScales">The same for values.</param>
internal readonly record struct CudaCache(Tensor Keys, Tensor Values, Tensor? KeyScales = null, Tensor? ValueScales = null)
{
    public bool HasCodes => KeyScales is not null;
}
