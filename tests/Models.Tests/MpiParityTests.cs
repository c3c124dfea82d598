using System.Globalization;
using System.Text.RegularExpressions;

namespace Models.Tests;

/// <summary>What <see cref="TensorParallelTests"/> shows with threads, with processes and a real MPI: every family in one job of four ranks.</summary>
public sealed class MpiParityTests
{
    [SkippableFact]
    public void Processes_GiveTheRecordedOutputs()
    {
        RankProcess.Require("mpirun");
        var result = RankProcess.Finish(RankProcess.Start(["families", "4", Fixtures.Folder("")]), seconds: 600);
        Assert.True(result.ExitCode == 0, $"exit code {result.ExitCode}: {result.Errors}");
        // Every recorded model on four ranks and on one of two pairs, every variant on as many as it asks for.
        var variants = ParityCases.Variants;
        var expected = 6 * ParityCases.Recorded.Length + 4 * (variants.Count(v => v.Ranks == 4) + ParityCases.DividedByPositions.Length) + 2 * variants.Count(v => v.Ranks == 2);
        Assert.Equal(expected, Regex.Matches(result.Output, @"rank \d: (\d+) models are equal").Sum(m => int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture)));
    }
}
