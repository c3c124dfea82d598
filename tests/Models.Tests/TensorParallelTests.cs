using Generated.Parallel;

namespace Models.Tests;

/// <summary>
/// For every family, any number of ranks gives what one rank gives and what the original implementation gave. Ranks are
/// threads here.
/// </summary>
public sealed class TensorParallelTests
{
    static TensorParallelTests()
    {
        System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);
        TorchSharp.torch.set_num_threads(1); // each rank is a thread already
    }

    public static TheoryData<string, double, int> Recorded
    {
        get
        {
            var data = new TheoryData<string, double, int>();
            foreach (var (folder, absolute) in ParityCases.Recorded)
                foreach (var ranks in new[] { 2, 4 })
                    data.Add(folder, absolute, ranks);
            return data;
        }
    }

    public static TheoryData<int> Variants => [.. Enumerable.Range(0, ParityCases.Variants.Length)];

    [Theory, MemberData(nameof(Recorded))]
    public void Ranks_GiveTheRecordedOutputs(string folder, double absolute, int ranks) =>
        AssertEqual(ThreadCollective.Run(ranks, group => RankParity.OfRecorded(group, Fixtures.Folder(folder), absolute)), folder);

    [Theory, MemberData(nameof(Variants))]
    public void Ranks_GiveWhatOneGives(int index)
    {
        var variant = ParityCases.Variants[index];
        AssertEqual(ThreadCollective.Run(variant.Ranks, group => RankParity.OfVariant(group, variant, Fixtures.Folder(""))), variant.ToString());
    }

    public static TheoryData<string, int> Divided
    {
        get
        {
            var data = new TheoryData<string, int>();
            foreach (var (folder, _) in ParityCases.Recorded)
                foreach (var ranks in new[] { 2, 4 })
                    data.Add(folder, ranks);
            return data;
        }
    }

    [Theory, MemberData(nameof(Divided))]
    public void Ranks_WithDividedPositions_GiveWhatOneGives(string folder, int ranks) =>
        AssertEqual(ThreadCollective.Run(ranks, group => RankParity.OfPositions(group, Fixtures.Folder(folder))), folder);

    private static void AssertEqual(IReadOnlyList<string>[] problems, string what)
    {
        var lines = problems.SelectMany((list, rank) => list.Select(problem => $"{what}, rank {rank}: {problem}")).ToList();
        Assert.True(lines.Count == 0, string.Join("\n", lines));
    }
}
