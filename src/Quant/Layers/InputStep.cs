using System.Runtime.Intrinsics;
using Generated.Kernels;
using Generated.Layers;
using Generated.Parallel;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Layers;

/// <summary>What a quantized linear does to its input before the product: the inserted transform, and its rounding to 8 bits.</summary>
internal sealed class InputStep : IDisposable
{
    private const float Largest = 127;
    private const float Lowest = -128;

    /// <summary>Keeps a row of zeros from dividing by 0.</summary>
    internal const float SmallestScale = 1e-37f;

    private readonly Tensor? _shift;
    private readonly Tensor? _divisor;
    private readonly ICollective? _sharers;

    /// <param name="transform">This rank's channels; null for none.</param>
    /// <param name="activations">Format; null for none.</param>
    /// <param name="scale">The static scale, with a per-tensor format.</param>
    /// <param name="device">Where.</param>
    /// <param name="sharers">Ranks that hold the other channels of each row; null where this one has all.</param>
    public InputStep(InputTransform? transform, ActivationFormat? activations, float? scale, Device device, ICollective? sharers)
    {
        if (activations is not null && activations.Bits != 8)
            throw new InvalidInputException($"its input has {activations.Bits} bits; there are kernels for 8");
        if (activations?.Per == ActivationGranularity.Tensor && !(scale > 0 && float.IsFinite(scale.Value)))
            throw new InvalidInputException($"its static input scale is {scale?.ToString() ?? "missing"}; it has to be a positive number");
        if (transform?.Divisor?.Any(d => d == 0 || !float.IsFinite(d)) == true || transform?.Shift?.Any(s => !float.IsFinite(s)) == true)
            throw new InvalidInputException("its input's shift or divisor is zero or not finite");
        Activations = activations;
        Scale = activations?.Per == ActivationGranularity.Tensor ? scale : null;
        _shift = transform?.Shift is { } shift ? tensor(shift, device: device).DetachFromDisposeScope() : null;
        _divisor = transform?.Divisor is { } divisor ? tensor(divisor, device: device).DetachFromDisposeScope() : null;
        _sharers = activations?.Per == ActivationGranularity.Token ? sharers : null;
    }

    /// <summary>Format of the codes; null where the input stays as it is.</summary>
    public ActivationFormat? Activations { get; }

    /// <summary>The static scale; null where each row has its own.</summary>
    public float? Scale { get; }

    /// <summary>Whether the input is moved or scaled.</summary>
    public bool HasTransform => _shift is not null || _divisor is not null;

    /// <summary>Whether another does the same to an input, without looking at what a transform holds.</summary>
    public bool IsLike(InputStep other) => !HasTransform && !other.HasTransform && !IsShared && !other.IsShared && Activations == other.Activations && Scale == other.Scale;

    /// <summary>Bytes held.</summary>
    public long Bytes => sizeof(float) * ((_shift?.numel() ?? 0) + (_divisor?.numel() ?? 0));

    /// <summary>(x − shift) / divisor by plain operators, differentiable; float32 in and out. May be the argument itself.</summary>
    public Tensor Transform(Tensor x)
    {
        var moved = _shift is null ? x : x.sub(_shift);
        if (_divisor is null)
            return moved;
        var result = moved.div(_divisor);
        if (!ReferenceEquals(moved, x))
            moved.Dispose();
        return result;
    }

    /// <summary>x rounded to what its codes stand for, by plain operators, with a straight-through gradient. May be the argument itself.</summary>
    public Tensor Round(Tensor x)
    {
        if (Activations is null)
            return x;
        using var scope = NewDisposeScope();
        Tensor rounded;
        using (no_grad())
        {
            if (Scale is { } given)
                rounded = x.div(given).round().clamp(Lowest, Largest).mul(given);
            else
            {
                var scales = TokenScales(x).clamp_min(SmallestScale).unsqueeze(-1);
                rounded = x.div(scales).round().clamp(Lowest, Largest).mul(scales);
            }
        }

        var result = is_grad_enabled() && x.requires_grad ? x + (rounded - x).detach() : rounded;
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>The scale of each row, [..], over all ranks that hold a part of it; the caller's.</summary>
    public Tensor TokenScales(Tensor x)
    {
        using var magnitudes = x.abs();
        using var largest = magnitudes.amax([-1]);
        var scales = largest.div(Largest);
        _sharers?.AllReduce(scales, Reduction.Max);
        return scales;
    }

    /// <summary>Whether the scale of a row is known only together with other ranks.</summary>
    public bool IsShared => _sharers is not null;

    /// <summary>Transforms rows in place, and rounds them where <paramref name="round"/> says so.</summary>
    /// <param name="x">[.., width] float32 on the CPU, contiguous.</param>
    /// <param name="round">Whether values become what their codes stand for.</param>
    public unsafe void Apply(Tensor x, bool round)
    {
        using var shared = round && IsShared ? SharedScales(x) : null;
        var (rows, width) = (RowLayout.Rows(x), RowLayout.Width(x));
        var job = new Job
        {
            Partition = RowPartition.Of(rows, width * 4L * sizeof(float), ThreadTeam.Shared.Size, multiple: 1),
            X = RowLayout.Floats(x),
            Shift = _shift is null ? null : RowLayout.Floats(_shift),
            Divisor = _divisor is null ? null : RowLayout.Floats(_divisor),
            Scales = shared is null ? null : RowLayout.Floats(shared),
            Scale = Scale ?? 0,
            Round = round,
            Width = width,
        };
        ThreadTeam.Shared.Run(ref job, job.Partition.Chunks);
        GC.KeepAlive(x);
        GC.KeepAlive(this);
    }

    public void Dispose()
    {
        _shift?.Dispose();
        _divisor?.Dispose();
    }

    private Tensor SharedScales(Tensor x)
    {
        using var transformed = HasTransform ? Transform(x) : x.alias();
        return TokenScales(transformed);
    }

    private unsafe struct Job : ITeamJob
    {
        public RowPartition Partition;
        public float* X;
        public float* Shift;
        public float* Divisor;
        public float* Scales;
        public float Scale;
        public bool Round;
        public int Width;

        public readonly void Execute(int chunk)
        {
            for (var row = Partition.Start(chunk); row < Partition.End(chunk); row++)
            {
                var x = X + (long)row * Width;
                if (Shift != null || Divisor != null)
                    Transform(x);
                if (Round)
                    RoundRow(x, Scales != null ? Scales[row] : Scale > 0 ? Scale : LargestMagnitude(x) / Largest);
            }
        }

        private readonly void Transform(float* x)
        {
            var k = 0;
            for (; k <= Width - 8; k += 8)
            {
                var value = Vector256.Load(x + k);
                if (Shift != null)
                    value -= Vector256.Load(Shift + k);
                if (Divisor != null)
                    value /= Vector256.Load(Divisor + k);
                value.Store(x + k);
            }

            for (; k < Width; k++)
                x[k] = (x[k] - (Shift == null ? 0 : Shift[k])) / (Divisor == null ? 1 : Divisor[k]);
        }

        private readonly void RoundRow(float* x, float scale)
        {
            if (scale == 0)
                return; // a row of zeros
            var k = 0;
            for (; k <= Width - 8; k += 8)
            {
                var code = Vector256.Round(Vector256.Load(x + k) / scale, MidpointRounding.ToEven);
                (Vector256.Min(Vector256.Max(code, Vector256.Create(Lowest)), Vector256.Create(Largest)) * scale).Store(x + k);
            }

            for (; k < Width; k++)
                x[k] = Math.Clamp(MathF.Round(x[k] / scale), Lowest, Largest) * scale;
        }

        private readonly float LargestMagnitude(float* x)
        {
            var largest = 0f;
            for (var k = 0; k < Width; k++)
                largest = MathF.Max(largest, MathF.Abs(x[k]));
            return largest;
        }
    }
}
