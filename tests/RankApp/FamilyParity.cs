using Generated.Architectures;
using Generated.Parallel;

/// <summary>
/// Every family over all processes: the recorded checkpoints on all, the variants on as many as they ask for. Four processes are two
/// pairs besides, which share the work on two ranks.
/// </summary>
internal static class FamilyParity
{
    internal static void Check(ICollective world, string fixtures)
    {
        ArchitectureRegistry.Register(Generated.Models.GeneratedArchitectures.All);
        using var mesh = new Mesh(world, ("pair", world.Size / 2), ("tp", 2));
        var (pair, pairs) = (mesh.Index("pair"), mesh.Size("pair"));
        var problems = new List<string>();
        var (count, turn) = (0, 0);
        foreach (var (folder, absolute) in ParityCases.Recorded)
        {
            Add($"{folder} on {world.Size}", RankParity.OfRecorded(world, Path.Combine(fixtures, folder), absolute));
            if (pairs > 1 && turn++ % pairs == pair)
                Add($"{folder} on 2", RankParity.OfRecorded(mesh.Group("tp"), Path.Combine(fixtures, folder), absolute));
        }

        foreach (var variant in ParityCases.Variants)
        {
            if (variant.Ranks == world.Size)
                Add(variant.ToString(), RankParity.OfVariant(world, variant, fixtures));
            else if (variant.Ranks == 2 && turn++ % pairs == pair)
                Add(variant.ToString(), RankParity.OfVariant(mesh.Group("tp"), variant, fixtures));
        }

        foreach (var folder in ParityCases.DividedByPositions)
            Add($"{folder} by positions", RankParity.OfPositions(world, Path.Combine(fixtures, folder)));

        if (problems.Count > 0)
            throw new InvalidOperationException(string.Join(Environment.NewLine, problems));
        Console.WriteLine($"rank {world.Rank}: {count} models are equal");

        void Add(string what, IReadOnlyList<string> found)
        {
            count++;
            problems.AddRange(found.Select(problem => $"{what}: {problem}"));
        }
    }
}
