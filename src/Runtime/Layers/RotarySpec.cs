namespace Generated.Layers;

/// <summary>Everything that rotary angles depend on, besides positions.</summary>
/// <param name="HeadDim">Width of a head.</param>
/// <param name="Dim">Leading features of a head that rotate.</param>
/// <param name="Theta">Base.</param>
/// <param name="Scaling">How frequencies are stretched, or null.</param>
/// <param name="Pairing">How features are paired.</param>
/// <param name="Positions">Which positions rotate.</param>
/// <param name="HalfFrequencies">Whether inverse frequencies are rounded to float16.</param>
internal sealed record RotarySpec(
    int HeadDim, int Dim, double Theta, RopeScaling? Scaling, RotaryPairing Pairing, PositionKind Positions, bool HalfFrequencies)
{
    /// <summary>Width that one kind of position rotates.</summary>
    public int DimPerPosition => Positions == PositionKind.SequenceAndBlock ? Dim / 2 : Dim;

    /// <summary>
    /// Whether the features that do not rotate can take part with angle 0, which saves cutting and joining: where pairs are
    /// adjacent, all features of a head are pairs.
    /// </summary>
    public bool RotatesWholeHead => Dim == HeadDim || Pairing == RotaryPairing.Adjacent;

    /// <summary>Features of a head that the rotation reads.</summary>
    public int Width => RotatesWholeHead ? HeadDim : Dim;
}
