using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>Rotary embedding written down pair by pair: what the fast layouts are checked against.</summary>
internal static class RotaryOracle
{
    public static Tensor Rotate(Tensor x, RotarySpec spec, Rotation rotation)
    {
        var heads = x.view(x.shape[0], x.shape[1], -1, spec.HeadDim);
        if (spec.Positions != PositionKind.SequenceAndBlock)
            return Turn(heads, 0, spec, rotation).view(x.shape);
        var half = spec.HeadDim / 2;
        var bySequence = Turn(heads.narrow(-1, 0, half), 0, spec, rotation);
        var byBlock = Turn(heads.narrow(-1, half, half), half / 2, spec, rotation);
        return cat([bySequence, byBlock], -1).view(x.shape);
    }

    private static Tensor Turn(Tensor heads, int firstPair, RotarySpec spec, Rotation rotation)
    {
        var pairs = spec.DimPerPosition / 2;
        var features = heads.unbind(-1);
        var turned = features.ToArray();
        for (var pair = 0; pair < pairs; pair++)
        {
            var (first, second) = spec.Pairing == RotaryPairing.Halves ? (pair, pair + pairs) : (2 * pair, 2 * pair + 1);
            var cosine = rotation.Cosines.select(-1, firstPair + pair).unsqueeze(-1).to(heads.dtype);
            var sine = rotation.Sines.select(-1, firstPair + pair).unsqueeze(-1).to(heads.dtype);
            turned[first] = features[first] * cosine - features[second] * sine;
            turned[second] = features[second] * cosine + features[first] * sine;
        }

        return stack(turned, -1);
    }
}
