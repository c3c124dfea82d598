using Generated.Passes;
using static TorchSharp.torch;

namespace Generated.Verification;

/// <summary>Keeps copies of the hidden states of a pass under the names of golden files.</summary>
internal sealed class Recorder(IReadOnlySet<string> wanted) : IProbe, IDisposable
{
    private readonly Dictionary<string, Tensor> _values = new(StringComparer.Ordinal);

    /// <summary>The value of a name, this recorder's, or null.</summary>
    public Tensor? this[string name] => _values.GetValueOrDefault(name);

    /// <summary>Names that were recorded.</summary>
    public IEnumerable<string> Names => _values.Keys;

    /// <inheritdoc/>
    public void Hidden(int index, Tensor value) => Keep(FormattableString.Invariant($"hidden.{index}"), value);

    /// <inheritdoc/>
    public void Named(string name, Tensor value) => Keep("hidden." + name, value);

    /// <inheritdoc/>
    public void LinearInput(int block, string site, Tensor value)
    {
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var value in _values.Values)
            value.Dispose();
        _values.Clear();
    }

    private void Keep(string name, Tensor value)
    {
        if (!wanted.Contains(name))
            return;
        if (_values.Remove(name, out var before))
            before.Dispose();
        using var plain = value.detach();
        _values.Add(name, plain.cpu().DetachFromDisposeScope());
    }
}
