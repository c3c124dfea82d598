using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Passes;

/// <summary>What distinguishes the masks of a model's attention layers.</summary>
/// <param name="Prefix">Whether a prefix sees itself in both directions.</param>
/// <param name="Window">Number of last columns that are seen; 0 = all.</param>
internal readonly record struct MaskKind(bool Prefix, int Window);

/// <summary>The attention masks of one pass as tensors, made once and shared by its layers.</summary>
internal sealed class MaskCache(SequenceInputs inputs) : IDisposable
{
    private readonly Dictionary<MaskKind, Tensor> _masks = [];

    /// <summary>Whether causality is all that restricts a layer of this kind.</summary>
    public bool IsCausal(MaskKind kind) => inputs.Mask.Starts is null
        && inputs.Mask.Hidden is null
        && (!kind.Prefix || inputs.Mask.PrefixEnds is null)
        && (kind.Window == 0 || kind.Window >= inputs.Total);

    /// <summary>Whether the one query of a decode step sees every column.</summary>
    public bool SeesAll(MaskKind kind) => inputs.Mask.Starts is null
        && inputs.Mask.Hidden is null
        && (kind.Window == 0 || kind.Window >= inputs.Total);

    /// <summary>
    /// 0 where a query sees a key and −∞ elsewhere, [rows or 1, 1, T, total], of type <paramref name="dtype"/>; the cache's.
    /// </summary>
    public Tensor Additive(MaskKind kind, ScalarType dtype, Device device)
    {
        if (_masks.TryGetValue(kind, out var mask))
            return mask;
        using (no_grad())
        using (NewDisposeScope())
        {
            mask = Build(kind, 0, inputs.Length, dtype, device).DetachFromDisposeScope();
        }

        _masks.Add(kind, mask);
        return mask;
    }

    /// <summary>The same for queries <paramref name="first"/> up to <paramref name="first"/> + <paramref name="count"/> of this pass; the caller's.</summary>
    public Tensor Additive(MaskKind kind, int first, int count, ScalarType dtype, Device device)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        return Build(kind, first, count, dtype, device).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (var mask in _masks.Values)
            mask.Dispose();
        _masks.Clear();
    }

    /// <summary>The rule of <see cref="AttentionMask.Sees"/>, for all columns at once.</summary>
    private Tensor Build(MaskKind kind, int first, int count, ScalarType dtype, Device device)
    {
        var keys = arange(inputs.Total, dtype: ScalarType.Int64, device: device).view(1, 1, 1, -1);
        var queries = arange(inputs.Past + first, inputs.Past + first + count, dtype: ScalarType.Int64, device: device).view(1, 1, -1, 1);
        var sees = keys.le(queries);
        var mask = inputs.Mask;
        if (kind.Prefix && mask.PrefixEnds is { } ends)
            sees = sees.logical_or(keys.lt(Column(ends, device)));
        if (kind.Window > 0)
            sees = sees.logical_and(keys.gt(queries - kind.Window));
        if (mask.Starts is { } starts)
        {
            var start = Column(starts, device);
            sees = sees.logical_and(keys.ge(start).logical_or(queries.lt(start)));
        }

        if (mask.Hidden is { } hidden)
        {
            Tensor from = Column([.. hidden.Select(h => h.Start)], device), to = Column([.. hidden.Select(h => h.End)], device);
            var isHidden = keys.ge(from).logical_and(keys.lt(to));
            sees = sees.logical_and(isHidden.logical_not().logical_or(queries.ge(from).logical_and(queries.lt(to))));
        }

        return zeros(sees.shape, dtype, device).masked_fill_(sees.logical_not(), float.NegativeInfinity);
    }

    private static Tensor Column(IReadOnlyList<int> values, Device device) =>
        tensor(values.Select(v => (long)v).ToArray(), device: device).view(-1, 1, 1, 1);
}
