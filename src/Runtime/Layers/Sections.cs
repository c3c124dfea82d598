using Generated.Passes;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>
/// Cuts a fused flow into sections: one after the other, or within each of a number of groups (per-head q|k|v), of which
/// each section is joined over the groups. Under tensor parallelism it takes the division of the linear it follows.
/// </summary>
public sealed class Sections
{
    private readonly long[] _widths;
    private readonly long _groups;

    /// <param name="build">The model being built.</param>
    /// <param name="widths">Widths of the sections (within one group, where there are groups), of the whole layer.</param>
    /// <param name="groups">Number of groups of the whole layer; 0 for sections one after the other.</param>
    /// <param name="shard">The division of the linear whose output is cut; null for not.</param>
    public Sections(BuildContext build, int[] widths, int groups = 0, Shard? shard = null)
    {
        ArgumentNullException.ThrowIfNull(build);
        ArgumentNullException.ThrowIfNull(widths);
        if (widths.Length is < 2 or > 3 || widths.Any(w => w < 1))
            throw new InvalidInputException($"Sections of {string.Join(", ", widths)} features cannot be cut: there are two or three, each of a positive width.");
        var isDivided = shard is { Kind: ShardKind.Column } && build.Group.Size > 1;
        if (groups > 0)
        {
            var width = widths.Sum();
            _groups = isDivided ? Shard.Divide(0, (long)width * groups, width, build.Group).Range.Length / width : groups;
            _widths = [.. widths.Select(w => (long)w)];
        }
        else
        {
            _widths = [.. widths.Select(w => isDivided ? Shard.Divide(0, w, shard!.Unit, build.Group).Range.Length : w)];
        }
    }

    /// <summary>Cuts x [B, T, width] in two; the results are the caller's and may share memory with x.</summary>
    public (Tensor, Tensor) Apply2(Tensor x)
    {
        using var grouped = Grouped(x);
        return (Section(x, grouped, 0), Section(x, grouped, 1));
    }

    /// <summary>Cuts x [B, T, width] in three; the results are the caller's and may share memory with x.</summary>
    public (Tensor, Tensor, Tensor) Apply3(Tensor x)
    {
        using var grouped = Grouped(x);
        return (Section(x, grouped, 0), Section(x, grouped, 1), Section(x, grouped, 2));
    }

    /// <summary>The same by plain operators.</summary>
    public Flow2 Eager2(Flow x)
    {
        var parts = EagerParts(x.Value);
        return new(x.With(parts[0]), x.With(parts[1]));
    }

    /// <summary>The same by plain operators.</summary>
    public Flow3 Eager3(Flow x)
    {
        var parts = EagerParts(x.Value);
        return new(x.With(parts[0]), x.With(parts[1]), x.With(parts[2]));
    }

    private Tensor? Grouped(Tensor x) => _groups == 0 ? null : x.view(x.shape[0], x.shape[1], _groups, -1);

    private Tensor Section(Tensor x, Tensor? grouped, int index)
    {
        var start = 0L;
        for (var i = 0; i < index; i++)
            start += _widths[i];
        if (grouped is null)
            return x.narrow(-1, start, _widths[index]);
        using var cut = grouped.narrow(-1, start, _widths[index]);
        return cut.reshape(x.shape[0], x.shape[1], -1);
    }

    private Tensor[] EagerParts(Tensor x)
    {
        if (_groups == 0)
            return x.split(_widths, dim: -1);
        var groups = x.chunk(_groups, dim: -1).Select(g => g.split(_widths, dim: -1)).ToArray();
        return [.. _widths.Select((_, i) => cat([.. groups.Select(g => g[i])], -1))];
    }
}
