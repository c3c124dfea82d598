using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Observers;

/// <summary>
/// Counts of magnitudes in equal bins from zero. The range is a power of two and doubles by merging pairs of bins, so that
/// counts never move between bins by interpolation and the result does not depend on the order of the data.
/// </summary>
internal sealed class MagnitudeHistogram
{
    private const int SmallestExponent = -120;
    private readonly long[] _counts;
    private int _exponent = SmallestExponent;

    /// <param name="bins">Bins between zero and the largest magnitude, at least; a power of two.</param>
    public MagnitudeHistogram(int bins)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bins, 2);
        _counts = new long[2 * bins]; // the largest magnitude lies in the upper half of the range
    }

    /// <summary>Values counted.</summary>
    public long Total { get; private set; }

    /// <summary>Largest magnitude; −1 where nothing was counted.</summary>
    public double AbsMax { get; private set; } = -1;

    /// <summary>Width of a bin.</summary>
    public double BinWidth => Math.ScaleB(1, _exponent) / _counts.Length;

    /// <summary>The bins up to that of the largest magnitude.</summary>
    public ReadOnlySpan<long> Counts => _counts.AsSpan(0, Total == 0 ? 0 : BinOf(AbsMax) + 1);

    /// <summary>Counts values.</summary>
    /// <param name="rows">Any shape.</param>
    /// <exception cref="InvalidInputException">A value is NaN or infinite.</exception>
    public void Add(Tensor rows)
    {
        if (rows.numel() == 0)
            return;
        var largest = AbsMaxObserver.Of(rows);
        AbsMax = Math.Max(AbsMax, largest);
        while (largest >= Math.ScaleB(1, _exponent))
            Double();
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        // A power of two as factor: the product and with it the bin are exact.
        var bins = rows.to_type(ScalarType.Float64).abs().mul(_counts.Length / Math.ScaleB(1, _exponent)).to_type(ScalarType.Int64).flatten();
        var counts = MemoryMarshal.Cast<byte, long>(bins.bincount(null, _counts.Length).cpu().bytes);
        for (var i = 0; i < _counts.Length; i++)
            _counts[i] += counts[i];
        Total += rows.numel();
    }

    private int BinOf(double magnitude) => (int)(magnitude / BinWidth);

    private void Double()
    {
        var half = _counts.Length / 2;
        for (var i = 0; i < half; i++)
            _counts[i] = _counts[2 * i] + _counts[2 * i + 1];
        Array.Clear(_counts, half, half);
        _exponent++;
    }
}
