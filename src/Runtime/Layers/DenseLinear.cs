using Generated.Architectures;
using Generated.Parallel;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Generated.Layers;

/// <summary>A linear layer whose weight is a matrix of the model's type.</summary>
public sealed class DenseLinear : Linear, IMatrixLinear
{
    private readonly BuildContext _build;
    private bool _unitRows;
    private readonly bool _hasReplicas;
    private Parameter? _bias;
    private Tensor? _unitRowWeight;
    private int _unitRowVersion = -1;

    /// <param name="build">The model being built.</param>
    /// <param name="inWidth">Input features of the whole layer.</param>
    /// <param name="outWidth">Output features of the whole layer.</param>
    /// <param name="bias">Whether there is a bias.</param>
    /// <param name="shard">How it is divided; null for not.</param>
    /// <param name="unitRows">Whether each weight row is divided by its L2 norm before use (Baichuan2's NormHead).</param>
    /// <param name="tied">The embedding whose matrix this layer shares, or null.</param>
    /// <exception cref="InvalidInputException">It cannot be divided over the group's ranks.</exception>
    public DenseLinear(BuildContext build, int inWidth, int outWidth, bool bias = false, Shard? shard = null, bool unitRows = false, Embedding? tied = null)
        : base(build, inWidth, outWidth, shard)
    {
        _build = build;
        _unitRows = unitRows;
        _hasReplicas = OutputParts.Any(p => p.Replicas > 1);
        TiedTo = tied;
        Weight = tied?.Weight ?? Parameter.Matrix(build, LocalOutWidth, LocalInWidth);
        if (Weight.Shape[0] != LocalOutWidth || Weight.Shape[1] != LocalInWidth)
            throw new InvalidInputException($"A linear of [{LocalOutWidth}, {LocalInWidth}] cannot share an embedding of [{string.Join(", ", Weight.Shape)}].");
        if (bias)
            AddBias(zero: false);
    }

    /// <summary>The matrix, [out, in] of this rank.</summary>
    public Parameter Weight { get; }

    /// <inheritdoc/>
    public override Parameter? Bias => _bias;

    /// <summary>The embedding whose matrix this layer shares, or null.</summary>
    public Embedding? TiedTo { get; }

    /// <summary>Whether each row of the matrix is divided by its L2 norm before use.</summary>
    public bool HasUnitRows => _unitRows;

    bool IMatrixLinear.IsTied => TiedTo is not null;

    Tensor IWeightRows.Rows(long start, long count) => Weight.Value.narrow(0, start, count);

    void IMatrixLinear.ScaleColumns(Tensor scale)
    {
        Weight.Value.mul_(scale);
        Weight.Changed();
    }

    void IMatrixLinear.FixUnitRows() => FixUnitRows();

    /// <summary>Divides each row of the matrix by its L2 norm for good, where that is done before every use; the function stays.</summary>
    internal void FixUnitRows()
    {
        if (!_unitRows)
            return;
        using var _ = no_grad();
        using var rows = F.normalize(Weight.Value, dim: 1);
        Weight.Value.copy_(rows);
        Weight.Changed();
        _unitRows = false;
    }

    /// <summary>Gives the layer a bias of zeros if it has none.</summary>
    public void EnsureBias()
    {
        if (_bias is null)
            AddBias(zero: true);
    }

    /// <inheritdoc/>
    public override Flow Eager(Flow x)
    {
        var weight = Weight.Value;
        if (_unitRows)
            weight = weight / weight.Squared().sum(-1, keepdim: true).sqrt();
        var product = x.Value.matmul(weight.t());
        if (Shard.Kind == ShardKind.Row && Group.Size > 1)
            product = CollectiveOps.ReduceFromTensorParallel(product, Group);
        if (_bias is not null)
            product = product + _bias.Value;
        if (Shard.Kind == ShardKind.Vocabulary && Group.Size > 1 && x.Context.GatherLogits)
            product = VocabParallel.GatherLogits(product, VocabRange.Of(OutWidth, Group), Group);
        return x.With(product);
    }

    /// <inheritdoc/>
    public override WeightShare? Share(TensorKind kind)
    {
        var isDivided = Group.Size > 1 && Shard.Kind != ShardKind.None;
        var byRow = Shard.Kind == ShardKind.Row;
        if (kind == TensorKind.Weight)
            return WeightShare.Of(Weight, !isDivided ? -1 : byRow ? 1 : 0, byRow ? InputParts : OutputParts);
        return _bias is null ? null : WeightShare.Of(_bias, isDivided && !byRow ? 0 : -1, OutputParts);
    }

    /// <summary>Raised when it is disposed of: whoever shares its memory lets go of it.</summary>
    internal event Action? Disposing;

    /// <inheritdoc/>
    public override void Dispose()
    {
        Disposing?.Invoke();
        if (TiedTo is null)
            Weight.Dispose();
        _bias?.Dispose();
        _unitRowWeight?.Dispose();
        _unitRowWeight = null;
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor x, bool withBias)
    {
        var bias = withBias ? _bias?.Value : null;
        if (_hasReplicas && is_grad_enabled() && (Weight.RequiresGrad || bias is { requires_grad: true }))
            return MultiplyReplicated(x, bias);
        if (!_unitRows)
            return ManyRows.Multiply(x, Weight.Value, bias);
        if (!is_grad_enabled() || !Weight.RequiresGrad)
            return ManyRows.Multiply(x, Normalise(), bias);
        using var rows = F.normalize(Weight.Value, dim: 1);
        return F.linear(x, rows, bias);
    }

    /// <inheritdoc/>
    protected override Tensor MultiplyFew(Tensor x, bool withBias) =>
        FewRows.Multiply(x, _unitRows ? UnitRowWeight() : Weight.Value, withBias ? _bias?.Value : null);

    internal void AddBias(bool zero)
    {
        _bias = new Parameter(_build, LocalOutWidth);
        if (!zero)
            return;
        using var _ = no_grad();
        _bias.Value.zero_().Dispose();
    }

    /// <summary>Heads that several ranks hold: each rank's gradient is partial, and the weight enters so that they are summed.</summary>
    private Tensor MultiplyReplicated(Tensor x, Tensor? bias)
    {
        using var scope = NewDisposeScope();
        var weight = SharedByReplicas(Weight.Value);
        var shared = bias is null ? null : SharedByReplicas(bias);
        return F.linear(x, weight, shared).MoveToOuterDisposeScope();
    }

    private Tensor SharedByReplicas(Tensor parameter)
    {
        var rows = new List<Tensor>();
        var start = 0L;
        foreach (var part in OutputParts)
        {
            var section = parameter.narrow(0, start, part.Range.Length);
            rows.Add(part.Replicas == 1 ? section : CollectiveOps.CopyToTensorParallel(section, _build.ReplicaGroup(part.Replicas)));
            start += part.Range.Length;
        }

        return rows.Count == 1 ? rows[0] : cat(rows, 0);
    }

    private Tensor UnitRowWeight() => _unitRowVersion == Weight.Version ? _unitRowWeight! : Normalise();

    /// <summary>
    /// The weight with rows of length 1. Every pass over a sequence makes it anew, in case the weight was written and nobody
    /// said so; decoding, which follows such a pass, reuses it.
    /// </summary>
    private Tensor Normalise()
    {
        using var _ = no_grad();
        _unitRowWeight?.Dispose();
        _unitRowVersion = Weight.Version;
        return _unitRowWeight = F.normalize(Weight.Value, dim: 1).DetachFromDisposeScope();
    }
}
