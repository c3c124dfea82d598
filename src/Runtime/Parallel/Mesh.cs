namespace Generated.Parallel;

/// <summary>
/// Ranks arranged in a grid with named axes, row-major: the last axis varies fastest, so that its ranks are neighbours.
/// Put tensor parallelism last, as ("pp", "dp", "tp") does. Axes of size 1 need no communication.
/// Building a mesh and <see cref="Group"/> are collective: all ranks make the same calls in the same order.
/// </summary>
public sealed class Mesh : IDisposable
{
    private readonly ICollective world;
    private readonly (string Axis, int Size)[] axes;
    private readonly int[] coordinates;
    private readonly Dictionary<string, ICollective> groups = [];

    /// <summary>Arranges all ranks of <paramref name="world"/> and makes the group of each axis.</summary>
    /// <param name="world">All ranks; stays the caller's.</param>
    /// <param name="axes">Names and sizes; their product is the number of ranks.</param>
    /// <exception cref="InvalidInputException">The sizes do not multiply to the number of ranks, or a name is used twice.</exception>
    public Mesh(ICollective world, params (string Axis, int Size)[] axes)
    {
        ArgumentNullException.ThrowIfNull(world);
        if (axes.Any(a => a.Size < 1) || axes.Select(a => a.Axis).Distinct().Count() != axes.Length)
            throw new InvalidInputException($"Mesh {Text(axes)}: every axis needs a name of its own and a size of at least 1.");
        if (axes.Aggregate(1L, (product, a) => product * a.Size) != world.Size)
            throw new InvalidInputException($"Mesh {Text(axes)} does not fit {world.Size} rank(s); start as many ranks as its sizes multiply to.");
        this.world = world;
        this.axes = axes;
        coordinates = new int[axes.Length];
        for (int i = axes.Length - 1, rest = world.Rank; i >= 0; i--)
        {
            coordinates[i] = rest % axes[i].Size;
            rest /= axes[i].Size;
        }
        foreach (var (axis, _) in axes)
            Group(axis);
    }

    /// <summary>All ranks.</summary>
    public ICollective World => world;

    /// <summary>Number of ranks along an axis; 1 for an axis the mesh does not have.</summary>
    public int Size(string axis) => Find(axis) is >= 0 and var i ? axes[i].Size : 1;

    /// <summary>This rank's coordinate along an axis; 0 for an axis the mesh does not have.</summary>
    public int Index(string axis) => Find(axis) is >= 0 and var i ? coordinates[i] : 0;

    /// <summary>The ranks that differ from this one in the given axes only, row-major in the mesh's own order. Owned by the mesh.</summary>
    /// <param name="names">One axis, or several (dp and tp together, say); an axis the mesh does not have counts as size 1.</param>
    public ICollective Group(params string[] names)
    {
        var chosen = Enumerable.Range(0, axes.Length).Where(i => names.Contains(axes[i].Axis)).ToArray();
        var name = string.Join('+', chosen.Select(i => axes[i].Axis));
        if (groups.TryGetValue(name, out var group))
            return group;
        var size = chosen.Aggregate(1, (product, i) => product * axes[i].Size);
        if (size == world.Size)
            group = world;
        else if (size == 1)
            group = new SingleCollective(world.Device);
        else
            group = world.Split(Number(i => !chosen.Contains(i)), Number(i => chosen.Contains(i)));
        groups.Add(name, group);
        return group;
    }

    /// <summary>Disposes the groups, not the world.</summary>
    public void Dispose()
    {
        foreach (var group in groups.Values)
            if (group != world)
                group.Dispose();
        groups.Clear();
    }

    /// <summary>Row-major number of this rank among the axes that <paramref name="counts"/> picks.</summary>
    private int Number(Func<int, bool> counts)
    {
        var number = 0;
        for (var i = 0; i < axes.Length; i++)
            if (counts(i))
                number = number * axes[i].Size + coordinates[i];
        return number;
    }

    private int Find(string axis) => Array.FindIndex(axes, a => a.Axis == axis);

    private static string Text((string Axis, int Size)[] axes) => string.Join(" x ", axes.Select(a => $"{a.Axis} {a.Size}"));
}
