using Generated.Passes;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>Rotary position embedding (Su et al., 2021) of queries or keys.</summary>
public sealed class Rotary
{
    private readonly RotaryTable _table;

    /// <param name="build">The model being built.</param>
    /// <param name="headDim">Width of one head.</param>
    /// <param name="dim">Leading features of a head that rotate; 0 for all.</param>
    /// <param name="theta">Base of the frequencies.</param>
    /// <param name="scaling">How frequencies are stretched, or null.</param>
    /// <param name="pairing">How features are paired.</param>
    /// <param name="positions">Which positions rotate; both rotate one half of the features each.</param>
    /// <param name="halfFrequencies">Whether inverse frequencies are rounded to float16.</param>
    /// <exception cref="InvalidInputException">The features cannot be paired.</exception>
    public Rotary(
        BuildContext build,
        int headDim,
        int dim = 0,
        double theta = 10000,
        RopeScaling? scaling = null,
        RotaryPairing pairing = RotaryPairing.Halves,
        PositionKind positions = PositionKind.Sequence,
        bool halfFrequencies = false)
    {
        ArgumentNullException.ThrowIfNull(build);
        dim = dim == 0 ? headDim : dim;
        var multiple = positions == PositionKind.SequenceAndBlock ? 4 : 2;
        if (dim < multiple || dim > headDim || dim % multiple != 0 || headDim % 2 != 0)
            throw new InvalidInputException($"Rotary embedding cannot rotate {dim} features of a head of {headDim}: it takes a positive multiple of {multiple} of at most the head's width, which is even.");
        if (positions == PositionKind.SequenceAndBlock && (dim != headDim || pairing != RotaryPairing.Halves))
            throw new InvalidInputException("Rotary embedding by two positions rotates whole heads, paired by halves.");
        if (!(theta > 0))
            throw new InvalidInputException($"The base of rotary embedding is {theta}; it must be positive.");
        _table = build.Table(new RotarySpec(headDim, dim, theta, scaling, pairing, positions, halfFrequencies));
    }

    internal RotaryTable Table => _table;

    /// <summary>Rotates x [B, T, heads · headDim]; the caller disposes of both.</summary>
    public Tensor Apply(Tensor x, PassContext pass)
    {
        var spec = _table.Spec;
        var rotation = pass.Rotation(_table, x.device);
        long[] shape = x.shape;
        using var heads = x.view(shape[0], shape[1], -1, spec.HeadDim);
        if (spec.RotatesWholeHead)
        {
            using var rotated = rotation.Apply(heads);
            return rotated.view(shape);
        }

        using var turning = heads.narrow(-1, 0, spec.Dim);
        using var still = heads.narrow(-1, spec.Dim, spec.HeadDim - spec.Dim);
        using var turned = rotation.Apply(turning);
        using var joined = cat([turned, still], -1);
        return joined.view(shape);
    }

    /// <summary>The same for one new token per row, without gradients.</summary>
    public Tensor Decode(Tensor x, PassContext pass) =>
        CpuSteps.CanRun(x) ? CpuSteps.Rotate(x, _table.Spec, pass.Rotation(_table, x.device)) : Apply(x, pass);

    /// <summary>The same by plain operators, pair by pair.</summary>
    public Flow Eager(Flow x) => x.With(RotaryOracle.Rotate(x.Value, _table.Spec, x.Context.Rotation(_table, x.Value.device)));
}
