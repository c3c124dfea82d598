using Generated.Quant.Recipes;
using static TorchSharp.torch;

namespace Generated.Quant.Observers;

/// <summary>A threshold per section of a value's channels: per channel, group or head.</summary>
internal sealed class SectionObserver : IDisposable
{
    private readonly int _width;
    private readonly int _sectionWidth;
    private readonly IThresholdObserver[] _sections;

    public SectionObserver(ActivationObserver kind, int width, int sectionWidth)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(sectionWidth, 1);
        (_width, _sectionWidth) = (width, sectionWidth);
        _sections = [.. Enumerable.Range(0, (width + sectionWidth - 1) / sectionWidth).Select(_ => ThresholdObservers.Create(kind))];
    }

    /// <summary>Adds one sample, [n, width], real tokens only.</summary>
    public void Add(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        if (rows.dim() != 2 || rows.shape[1] != _width)
            throw new ArgumentException($"Rows of [{string.Join(", ", rows.shape)}] for {_width} channels.", nameof(rows));
        for (var i = 0; i < _sections.Length; i++)
        {
            using var section = rows.narrow(1, i * _sectionWidth, Math.Min(_sectionWidth, _width - i * _sectionWidth));
            _sections[i].Add(section);
        }
    }

    /// <summary>The threshold of each section.</summary>
    public double[] Thresholds() => [.. _sections.Select(section => section.Threshold())];

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var section in _sections)
            section.Dispose();
    }
}
