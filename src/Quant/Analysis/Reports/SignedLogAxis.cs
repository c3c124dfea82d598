namespace Generated.Quant.Analysis.Reports;

/// <summary>An axis that is linear about zero and logarithmic beyond a threshold on both sides: sign(v) · log₁₀(1 + |v| / threshold).</summary>
/// <param name="Threshold">Where it turns from linear to logarithmic; a power of ten.</param>
/// <param name="Most">Largest magnitude.</param>
internal sealed record SignedLogAxis(double Threshold, double Most)
{
    /// <summary>Decades that the axis has at most.</summary>
    private const int Decades = 6;

    /// <summary>The axis that shows both the boxes and the extremes of some values.</summary>
    public static SignedLogAxis For(IReadOnlyList<ValueSummary> all)
    {
        var most = all.Select(v => Math.Max(Math.Abs(v.Min), Math.Abs(v.Max))).DefaultIfEmpty(0).Max();
        if (most == 0)
            return new SignedLogAxis(1, 1);
        var box = all.Select(v => v.UpperQuartile - v.LowerQuartile).Where(width => width > 0).DefaultIfEmpty(most).Min();
        return new SignedLogAxis(Math.Pow(10, Math.Floor(Math.Log10(Math.Max(box, most * Math.Pow(10, -Decades))))), most);
    }

    /// <summary>Zero and the powers of ten on both sides.</summary>
    public IReadOnlyList<double> Ticks
    {
        get
        {
            var powers = new List<double>();
            for (var power = Threshold; power <= Most * 10; power *= 10)
                powers.Add(power);
            return [.. powers.AsEnumerable().Reverse().Select(power => -power), 0, .. powers];
        }
    }

    /// <summary>Where a value is on the axis.</summary>
    public double Place(double value) => Math.Sign(value) * Math.Log10(1 + Math.Abs(value) / Threshold);
}
