using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Calibration;

/// <summary>
/// A bounded sample of all tokens of a calibration run, spread evenly over it: every 2^k-th row, k as small as the capacity
/// allows. It depends on the order of the tokens only, not on how they are batched, so that every stage sees the same ones.
/// </summary>
internal sealed class RowSample : IDisposable
{
    private readonly int _capacity;
    private readonly List<Tensor> _parts = [];
    private long _seen;

    /// <param name="width">Number of channels.</param>
    /// <param name="capacity">Most rows kept.</param>
    public RowSample(int width, int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        (Width, _capacity) = (width, capacity);
    }

    /// <summary>A sample that was taken before; it takes over the rows.</summary>
    /// <param name="rows">The rows kept, [n, width].</param>
    /// <param name="stride">Rows between two that are kept, plus one.</param>
    /// <param name="seen">Rows that were added.</param>
    /// <exception cref="InvalidInputException">The numbers contradict each other.</exception>
    public static RowSample Of(Tensor rows, long stride, long seen)
    {
        if (rows.dim() != 2 || rows.shape[1] < 1 || stride < 1 || seen < 1 || rows.shape[0] != (seen - 1) / stride + 1)
        {
            rows.Dispose();
            throw new InvalidInputException("The saved sample is damaged; calibrate again.");
        }

        var sample = new RowSample((int)rows.shape[1], (int)rows.shape[0]) { Stride = stride, _seen = seen };
        sample._parts.Add(rows);
        return sample;
    }

    /// <summary>Number of channels.</summary>
    public int Width { get; }

    /// <summary>Rows between two that are kept, plus one.</summary>
    public long Stride { get; private set; } = 1;

    /// <summary>Rows added.</summary>
    public long Seen => _seen;

    /// <summary>Rows kept.</summary>
    public long Count => (_seen + Stride - 1) / Stride;

    /// <summary>Adds tokens.</summary>
    /// <param name="rows">[n, width], real tokens only; the caller's.</param>
    public void Add(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        if (rows.dim() != 2 || rows.shape[1] != Width)
            throw new ArgumentException($"Rows of [{string.Join(", ", rows.shape)}] for a sample of {Width} channels.", nameof(rows));
        using var noGrad = no_grad();
        var first = (Stride - _seen % Stride) % Stride;
        if (first < rows.shape[0])
        {
            using var scope = NewDisposeScope();
            var kept = rows[TensorIndex.Slice(first, null, Stride)].to_type(ScalarType.Float32);
            _parts.Add(kept.clone().DetachFromDisposeScope());
        }

        _seen += rows.shape[0];
        while (Count > _capacity)
            Thin();
    }

    /// <summary>The rows kept, float32 [<see cref="Count"/>, width]; the caller's.</summary>
    public Tensor ToTensor()
    {
        if (_parts.Count == 0)
            throw new InvalidInputException("There are no calibration tokens; give a calibration text with at least one.");
        return cat(_parts, 0).DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var part in _parts)
            part.Dispose();
        _parts.Clear();
    }

    private void Thin()
    {
        using var all = ToTensor();
        Dispose();
        using var scope = NewDisposeScope();
        _parts.Add(all[TensorIndex.Slice(0, null, 2)].clone().DetachFromDisposeScope());
        Stride *= 2;
    }
}
