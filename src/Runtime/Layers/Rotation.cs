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
    private readonly Tensor _cosines;
    private readonly Tensor _signedSines;
    private readonly long[] _pairShape;
    private readonly long[] _flipped;
    private (ScalarType Dtype, Tensor Cosines, Tensor Sines)? _narrow;

    /// <param name="spec">The kind.</param>
    /// <param name="cosines">[rows, T, pairs] float32 (sequence pairs, then block pairs); becomes this object's.</param>
    /// <param name="sines">The same for sines.</param>
    public Rotation(RotarySpec spec, Tensor cosines, Tensor sines)
    {
        Cosines = cosines;
        Sines = sines;
        var pairs = spec.Width / 2;
        (_pairShape, _flipped) = (spec.Pairing, spec.Positions) switch
        {
            (RotaryPairing.Adjacent, _) => ((long[])[pairs, 2], (long[])[-1]),
            (_, PositionKind.SequenceAndBlock) => ([2, 2, pairs / 2], [-2]),
            _ => ([2, pairs], [-2]),
        };
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var (rows, length) = (cosines.shape[0], cosines.shape[1]);
        (_cosines, _signedSines) = (Spread(cosines).DetachFromDisposeScope(), Spread(sines, sines.neg()).DetachFromDisposeScope());

        Tensor Spread(Tensor second, Tensor? first = null)
        {
            first ??= second;
            var joined = (spec.Pairing, spec.Positions) switch
            {
                (RotaryPairing.Adjacent, _) => stack([first, second], -1),
                (_, PositionKind.SequenceAndBlock) => stack([first.view(rows, length, 2, -1), second.view(rows, length, 2, -1)], -2),
                _ => stack([first, second], -2),
            };
            return joined.view([rows, length, 1, .. _pairShape]);
        }
    }

    /// <summary>Cosine of each pair, [rows, T, pairs] float32.</summary>
    public Tensor Cosines { get; }

    /// <summary>Sine of each pair, [rows, T, pairs] float32.</summary>
    public Tensor Sines { get; }

    /// <summary>Rotates x [rows, T, heads, width].</summary>
    public Tensor Apply(Tensor x)
    {
        var (cosines, sines) = As(x.dtype);
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
        _cosines.Dispose();
        _signedSines.Dispose();
        _narrow?.Cosines.Dispose();
        _narrow?.Sines.Dispose();
    }

    /// <summary>The angles in the type of the features: rounded once per pass.</summary>
    private (Tensor Cosines, Tensor Sines) As(ScalarType dtype)
    {
        if (dtype == ScalarType.Float32)
            return (_cosines, _signedSines);
        if (_narrow is not { } narrow || narrow.Dtype != dtype)
            _narrow = narrow = (dtype, _cosines.to(dtype).DetachFromDisposeScope(), _signedSines.to(dtype).DetachFromDisposeScope());
        return (narrow.Cosines, narrow.Sines);
    }
}
