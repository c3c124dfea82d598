using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>
/// The angles of one pass, laid out so that any pairing is one formula: with the features of a head seen as
/// [.., 2, pairs] or [pairs, 2], x · cos + flip(x) · sin, where sin has the minus sign of the first of each pair.
/// </summary>
internal sealed class Rotation : IDisposable
{
    private static readonly Scalar One = 1;
    private readonly RotarySpec _spec;
    private readonly long[] _pairShape;
    private readonly long[] _flipped;
    private (ScalarType Dtype, Tensor Cosines, Tensor Sines)? _spread;

    /// <param name="spec">The kind.</param>
    /// <param name="cosines">[rows, T, pairs] float32 (sequence pairs, then block pairs); becomes this object's.</param>
    /// <param name="sines">The same for sines.</param>
    public Rotation(RotarySpec spec, Tensor cosines, Tensor sines)
    {
        _spec = spec;
        Cosines = cosines;
        Sines = sines;
        var pairs = spec.Width / 2;
        (_pairShape, _flipped) = (spec.Pairing, spec.Positions) switch
        {
            (RotaryPairing.Adjacent, _) => ((long[])[pairs, 2], (long[])[-1]),
            (_, PositionKind.SequenceAndBlock) => ([2, 2, pairs / 2], [-2]),
            _ => ([2, pairs], [-2]),
        };
    }

    /// <summary>Cosine of each pair, [rows, T, pairs] float32.</summary>
    public Tensor Cosines { get; }

    /// <summary>Sine of each pair, [rows, T, pairs] float32.</summary>
    public Tensor Sines { get; }

    /// <summary>Rotates x [rows, T, heads, width].</summary>
    public Tensor Apply(Tensor x)
    {
        var (cosines, sines) = Spread(x.dtype);
        long[] shape = x.shape;
        using var pairs = x.view([shape[0], shape[1], shape[2], .. _pairShape]);
        using var partners = pairs.flip(_flipped);
        using var kept = pairs.mul(cosines);
        if (kept.requires_grad)
        {
            using var rotated = kept.addcmul(partners, sines, One);
            return rotated.reshape(shape);
        }

        kept.addcmul_(partners, sines, One);
        return kept.reshape(shape);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Cosines.Dispose();
        Sines.Dispose();
        _spread?.Cosines.Dispose();
        _spread?.Sines.Dispose();
    }

    /// <summary>Factors of both features of every pair, [rows, T, 1, pair shape], in the type of the features: made once per pass.</summary>
    private (Tensor Cosines, Tensor Sines) Spread(ScalarType dtype)
    {
        if (_spread is { } spread && spread.Dtype == dtype)
            return (spread.Cosines, spread.Sines);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var made = (dtype, Spread(Cosines, Cosines).to(dtype).DetachFromDisposeScope(), Spread(Sines.neg(), Sines).to(dtype).DetachFromDisposeScope());
        _spread?.Cosines.Dispose();
        _spread?.Sines.Dispose();
        _spread = made;
        return (made.Item2, made.Item3);
    }

    private Tensor Spread(Tensor first, Tensor second)
    {
        var (rows, length) = (first.shape[0], first.shape[1]);
        var joined = (_spec.Pairing, _spec.Positions) switch
        {
            (RotaryPairing.Adjacent, _) => stack([first, second], -1),
            (_, PositionKind.SequenceAndBlock) => stack([first.view(rows, length, 2, -1), second.view(rows, length, 2, -1)], -2),
            _ => stack([first, second], -2),
        };
        return joined.view([rows, length, 1, .. _pairShape]);
    }
}
