using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>
/// Two or three linears of one input as one product: their weights are moved into one storage, of which the members are
/// views. Where a member has been replaced (quantization, an adapter), the members multiply one by one.
/// </summary>
public sealed class FusedLinear
{
    private readonly Func<Linear>[] _members;
    private readonly DenseLinear[] _original;
    private readonly DenseStorage? _storage;
    private readonly long[] _widths;

    /// <param name="build">The model being built.</param>
    /// <param name="members">Reads each member, as it is at the time of a pass. They are dense, of one input width, divided alike, all with bias or none.</param>
    public FusedLinear(BuildContext build, params Func<Linear>[] members)
    {
        ArgumentNullException.ThrowIfNull(build);
        ArgumentNullException.ThrowIfNull(members);
        if (members.Length is < 2 or > 3)
            throw new ArgumentException("Two or three linears can be fused.", nameof(members));
        _members = members;
        _original = [.. members.Select(m => (DenseLinear)m())];
        var first = _original[0];
        if (_original.Any(m => m.InWidth != first.InWidth || m.Bias is null != first.Bias is null || m.Shard.Kind != first.Shard.Kind || m.TiedTo is not null)
            || first.Shard.Kind is ShardKind.Row or ShardKind.Vocabulary)
            throw new ArgumentException("Only linears of one input, divided alike, all with bias or none, can be fused.", nameof(members));
        _widths = [.. _original.Select(m => (long)m.LocalOutWidth)];
        _storage = build.Own(new DenseStorage(build, _original));
    }

    /// <summary>Whether the members are still those that were fused.</summary>
    public bool IsFused
    {
        get
        {
            for (var i = 0; i < _members.Length; i++)
                if (!ReferenceEquals(_members[i](), _original[i]) || _storage!.IsOutdated(i))
                    return false;
            return true;
        }
    }

    /// <summary>Both results, [B, T, out] each, without gradients; the caller's.</summary>
    public (Tensor, Tensor) Apply2(Tensor x, PassContext pass)
    {
        if (!IsFused)
            return (_members[0]().Apply(x, pass), _members[1]().Apply(x, pass));
        using var all = ManyRows.Multiply(x, _storage!.Weight, _storage.Bias);
        return Cut2(all);
    }

    /// <summary>The three results, [B, T, out] each, without gradients; the caller's.</summary>
    public (Tensor, Tensor, Tensor) Apply3(Tensor x, PassContext pass)
    {
        if (!IsFused)
            return (_members[0]().Apply(x, pass), _members[1]().Apply(x, pass), _members[2]().Apply(x, pass));
        using var all = ManyRows.Multiply(x, _storage!.Weight, _storage.Bias);
        return Cut3(all);
    }

    /// <summary>Both results for one new token per row; the caller's.</summary>
    public (Tensor, Tensor) Decode2(Tensor x, PassContext pass)
    {
        if (!IsFused)
            return (_members[0]().Decode(x, pass), _members[1]().Decode(x, pass));
        using var all = FewRows.Multiply(x, _storage!.Weight, _storage.Bias);
        return Cut2(all);
    }

    /// <summary>The three results for one new token per row; the caller's.</summary>
    public (Tensor, Tensor, Tensor) Decode3(Tensor x, PassContext pass)
    {
        if (!IsFused)
            return (_members[0]().Decode(x, pass), _members[1]().Decode(x, pass), _members[2]().Decode(x, pass));
        using var all = FewRows.Multiply(x, _storage!.Weight, _storage.Bias);
        return Cut3(all);
    }

    private (Tensor, Tensor) Cut2(Tensor all) => (all.narrow(-1, 0, _widths[0]), all.narrow(-1, _widths[0], _widths[1]));

    private (Tensor, Tensor, Tensor) Cut3(Tensor all) =>
        (all.narrow(-1, 0, _widths[0]), all.narrow(-1, _widths[0], _widths[1]), all.narrow(-1, _widths[0] + _widths[1], _widths[2]));

    /// <summary>The common storage of the members' weights and biases.</summary>
    private sealed class DenseStorage : IDisposable
    {
        private readonly DenseLinear[] _members;

        public DenseStorage(BuildContext build, DenseLinear[] members)
        {
            _members = members;
            var height = members.Sum(m => (long)m.LocalOutWidth);
            Weight = empty([height, members[0].LocalInWidth], build.Dtype, build.Device).DetachFromDisposeScope();
            Bias = members[0].Bias is null ? null : empty([height], build.Dtype, build.Device).DetachFromDisposeScope();
            var start = 0L;
            foreach (var member in members)
            {
                using var rows = Weight.narrow(0, start, member.LocalOutWidth);
                member.Weight.MoveInto(rows);
                if (Bias is not null)
                {
                    using var biases = Bias.narrow(0, start, member.LocalOutWidth);
                    member.Bias!.MoveInto(biases);
                }

                start += member.LocalOutWidth;
            }
        }

        public Tensor Weight { get; }

        public Tensor? Bias { get; }

        /// <summary>Whether a member has got a bias since.</summary>
        public bool IsOutdated(int member) => Bias is null && _members[member].Bias is not null;

        public void Dispose()
        {
            Weight.Dispose();
            Bias?.Dispose();
        }
    }
}
