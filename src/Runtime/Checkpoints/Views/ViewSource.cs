namespace Generated.Checkpoints.Views;

/// <summary>Views as a source: what a converter writes, or a model loads.</summary>
public sealed class ViewSource : ITensorSource
{
    private readonly OrderedDictionary<string, TensorInfo> _infos = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TensorView> _views = new(StringComparer.Ordinal);

    /// <param name="location">Where the tensors come from, for messages.</param>
    /// <param name="views">The tensors, named by their views. The sources behind them stay the caller's to dispose.</param>
    /// <param name="metadata">Free-form text.</param>
    /// <exception cref="InvalidInputException">A name appears twice.</exception>
    public ViewSource(string location, IEnumerable<TensorView> views, IReadOnlyDictionary<string, string>? metadata = null)
    {
        Location = location;
        Metadata = metadata ?? new Dictionary<string, string>();
        foreach (var view in views)
        {
            if (!_views.TryAdd(view.Info.Name, view))
                throw new InvalidInputException($"{location} would hold tensor {Describe.Name(view.Info.Name)} twice.");
            _infos.Add(view.Info.Name, view.Info);
        }
    }

    /// <inheritdoc/>
    public string Location { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _infos;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <inheritdoc/>
    public void Read(string name, TensorSlice slice, Span<byte> destination)
    {
        if (!_views.TryGetValue(name, out var view))
            throw new InvalidInputException($"{Location} has no tensor {Describe.Name(name)}.");
        view.Read(slice, destination);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
