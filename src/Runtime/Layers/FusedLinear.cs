using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>
/// Two or three linears of one input as one product: their weights are moved into one storage, of which the members are
/// views. Where a member has been replaced (quantization, an adapter), what replaced them may have one product as well
/// (<see cref="IJointLinear"/>); else the members multiply one by one.
/// </summary>
public sealed class FusedLinear
{
    private readonly Func<Linear>[] _members;
    private readonly DenseLinear[] _original;
    private readonly DenseStorage? _storage;
    private readonly long[] _widths;
    private readonly Linear?[] _joined;
    private IJointProduct? _joint;

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
        _joined = new Linear?[members.Length];
        _storage = build.Own(new DenseStorage(build, _original));
        build.Add(this);
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

    /// <summary>Gives the common storage its memory where the model was built without and the members still are those that were fused.</summary>
    internal void AllocateIfFused()
    {
        if (IsFused)
            _storage!.Allocate();
    }

    /// <summary>Both results, [B, T, out] each, without gradients; the caller's.</summary>
    public (Tensor, Tensor) Apply2(Tensor x, PassContext pass)
    {
        using var all = IsFused ? ManyRows.Multiply(x, _storage!.Weight, _storage.Bias) : Joint(x);
        return all is null ? (_members[0]().Apply(x, pass), _members[1]().Apply(x, pass)) : Cut2(all);
    }

    /// <summary>The three results, [B, T, out] each, without gradients; the caller's.</summary>
    public (Tensor, Tensor, Tensor) Apply3(Tensor x, PassContext pass)
    {
        using var all = IsFused ? ManyRows.Multiply(x, _storage!.Weight, _storage.Bias) : Joint(x);
        return all is null ? (_members[0]().Apply(x, pass), _members[1]().Apply(x, pass), _members[2]().Apply(x, pass)) : Cut3(all);
    }

    /// <summary>Both results for one new token per row; the caller's.</summary>
    public (Tensor, Tensor) Decode2(Tensor x, PassContext pass)
    {
        using var all = IsFused ? FewRows.Multiply(x, _storage!.Weight, _storage.Bias) : Joint(x);
        return all is null ? (_members[0]().Decode(x, pass), _members[1]().Decode(x, pass)) : Cut2(all);
    }

    /// <summary>The three results for one new token per row; the caller's.</summary>
    public (Tensor, Tensor, Tensor) Decode3(Tensor x, PassContext pass)
    {
        using var all = IsFused ? FewRows.Multiply(x, _storage!.Weight, _storage.Bias) : Joint(x);
        return all is null ? (_members[0]().Decode(x, pass), _members[1]().Decode(x, pass), _members[2]().Decode(x, pass)) : Cut3(all);
    }

    /// <summary>The results of what replaced the members, side by side, where that has one product; null where it has none.</summary>
    private Tensor? Joint(Tensor x)
    {
        var isCurrent = true;
        for (var i = 0; i < _joined.Length; i++)
        {
            var member = _members[i]();
            isCurrent &= ReferenceEquals(_joined[i], member);
            _joined[i] = member;
        }

        if (!isCurrent)
            _joint = (_joined[0] as IJointLinear)?.Join(_joined!);
        return _joint is null || (is_grad_enabled() && x.requires_grad) ? null : _joint.Multiply(x);
    }

    private (Tensor, Tensor) Cut2(Tensor all) => (all.narrow(-1, 0, _widths[0]), all.narrow(-1, _widths[0], _widths[1]));

    private (Tensor, Tensor, Tensor) Cut3(Tensor all) =>
        (all.narrow(-1, 0, _widths[0]), all.narrow(-1, _widths[0], _widths[1]), all.narrow(-1, _widths[0] + _widths[1], _widths[2]));

    /// <summary>The common storage of the members' weights and biases.</summary>
    private sealed class DenseStorage : IDisposable
    {
        private readonly DenseLinear[] _members;
        private readonly Device _device;

        public DenseStorage(BuildContext build, DenseLinear[] members)
        {
            _members = members;
            _device = build.Device;
            var height = members.Sum(m => (long)m.LocalOutWidth);
            var device = build.Options.DeferMatrices ? META : build.Device;
            Weight = empty([height, members[0].LocalInWidth], build.Dtype, device).DetachFromDisposeScope();
            Bias = members[0].Bias is null ? null : empty([height], build.Dtype, device).DetachFromDisposeScope();
            TakeIn();
            // A member that is gone will not be fused again; the memory then lives as long as the others' views of it.
            foreach (var member in members)
                member.Disposing += Dispose;
        }

        public Tensor Weight { get; private set; }

        public Tensor? Bias { get; private set; }

        public void Allocate()
        {
            if (Weight.device_type != DeviceType.META || _device.type == DeviceType.META)
                return;
            Weight = Allocated(Weight);
            Bias = Bias is null ? null : Allocated(Bias);
            TakeIn();
        }

        private Tensor Allocated(Tensor shape)
        {
            using (shape)
                return empty(shape.shape, shape.dtype, _device).DetachFromDisposeScope();
        }

        /// <summary>Makes the members' weights views of the common ones.</summary>
        private void TakeIn()
        {
            var start = 0L;
            foreach (var member in _members)
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

        /// <summary>Whether a member has got a bias since.</summary>
        public bool IsOutdated(int member) => Bias is null && _members[member].Bias is not null;

        public void Dispose()
        {
            Weight.Dispose();
            Bias?.Dispose();
        }
    }
}
