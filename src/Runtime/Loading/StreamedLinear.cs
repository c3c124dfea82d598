using Generated.Architectures;
using Generated.Layers;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Generated.Loading;

/// <summary>Reads rows of a stored matrix into a tensor shaped as they are.</summary>
internal delegate void RowReader(WeightRange rows, Tensor destination);

/// <summary>
/// A linear whose weight stays in the checkpoint: every product reads it anew, some rows at a time. It stands outside blocks, where a
/// head alone may be larger than the memory that a block needs. Without gradients.
/// </summary>
internal sealed class StreamedLinear : Linear, IMatrixLinear
{
    private readonly DenseLinear _shape;
    private readonly ScalarType _dtype;
    private RowReader _read;
    private Tensor? _columns;
    private Tensor? _standIn;
    private bool _areRowsFixed;

    /// <param name="shape">The linear whose place it takes; its matrix has no memory, its bias counts. This disposes of it.</param>
    /// <param name="dtype">Type of the rows.</param>
    /// <param name="read">Reads rows of the whole weight.</param>
    public StreamedLinear(DenseLinear shape, ScalarType dtype, RowReader read)
        : base(shape) => (_shape, _dtype, _read) = (shape, dtype, read);

    /// <inheritdoc cref="Linear.Bias"/>
    public override Parameter? Bias => _shape.Bias;

    /// <inheritdoc/>
    public bool HasUnitRows => _shape.HasUnitRows && !_areRowsFixed;

    /// <inheritdoc/>
    public bool IsTied => _shape.TiedTo is not null;

    /// <inheritdoc/>
    public void EnsureBias() => _shape.EnsureBias();

    /// <inheritdoc/>
    public void FixUnitRows() => _areRowsFixed = _shape.HasUnitRows;

    /// <inheritdoc/>
    public void ScaleColumns(Tensor scale)
    {
        var columns = (_columns is null ? scale.clone() : _columns.mul(scale)).DetachFromDisposeScope();
        _columns?.Dispose();
        _columns = columns;
    }

    /// <inheritdoc/>
    public Tensor Rows(long start, long count) => Rows(start, count, _areRowsFixed);

    /// <summary>The same weight, no longer the embedding's.</summary>
    /// <param name="build">What the model was built with: without memory for matrices.</param>
    public StreamedLinear Untied(BuildContext build) => new(new DenseLinear(build, InWidth, OutWidth, unitRows: _shape.HasUnitRows), _dtype, _read);

    /// <summary>Multiplies with other rows from now on.</summary>
    public void ReadFrom(RowReader other) => _read = other;

    /// <summary>
    /// For measuring time: until the result is disposed of, the first rows stand for all others, so that a product takes what it takes
    /// of a weight in memory, and gives nothing of use.
    /// </summary>
    public IDisposable StandIn() => new StandInRows(this);

    /// <inheritdoc/>
    public override Flow Eager(Flow x) => x.With(Multiply(x.Value, withBias: true));

    /// <inheritdoc/>
    public override WeightShare? Share(TensorKind kind) => _shape.Share(kind);

    /// <inheritdoc/>
    public override void Dispose()
    {
        _columns?.Dispose();
        _columns = null;
        _shape.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor x, bool withBias) => ByRows(x, withBias, ManyRows.Multiply);

    /// <inheritdoc/>
    protected override Tensor MultiplyFew(Tensor x, bool withBias) => ByRows(x, withBias, FewRows.Multiply);

    private Tensor ByRows(Tensor x, bool withBias, Func<Tensor, Tensor, Tensor?, Tensor> multiply)
    {
        var bias = withBias ? Bias?.Value : null;
        Tensor? all = null;
        foreach (var (start, count) in this.Ranges())
        {
            using var rows = Rows(start, count, _shape.HasUnitRows);
            using var shift = bias?.narrow(0, start, count);
            var product = multiply(x, rows, shift);
            if (count == OutWidth)
                return product;
            using (product)
            {
                all ??= empty([.. x.shape[..^1], OutWidth], x.dtype, x.device);
                using var place = all.narrow(-1, start, count);
                place.copy_(product);
            }
        }

        return all!;
    }

    private Tensor Rows(long start, long count, bool areUnit)
    {
        if (_standIn is not null)
            return _standIn.narrow(0, start % (_standIn.shape[0] - count + 1), count);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var rows = empty([count, InWidth], _dtype, Device);
        _read(new WeightRange(start, count), rows);
        if (areUnit)
            rows = F.normalize(rows, dim: 1);
        if (_columns is not null)
            rows = rows.mul(_columns);
        return rows.MoveToOuterDisposeScope();
    }

    private sealed class StandInRows : IDisposable
    {
        /// <summary>Weights that a processor's cache does not hold: 64 MB.</summary>
        private const long Uncached = 1 << 24;

        private readonly StreamedLinear _linear;

        public StandInRows(StreamedLinear linear)
        {
            _linear = linear;
            var (_, count) = linear.Ranges(Uncached).First();
            linear._standIn = linear.Rows(0, count, linear._shape.HasUnitRows).DetachFromDisposeScope();
        }

        public void Dispose()
        {
            _linear._standIn?.Dispose();
            _linear._standIn = null;
        }
    }
}
