using System.Globalization;
using System.Text.RegularExpressions;

namespace Models.Tests;

/// <summary>What <see cref="TensorParallelTests"/> shows with threads, with processes and real MPI libraries: every family in one job.</summary>
public sealed class MpiParityTests
{
    /// <summary>Four ranks of Open MPI, and its pairs; two of MPICH, whose ranks wait by spinning: more of them than cores take minutes.</summary>
    [SkippableTheory]
    [InlineData("mpirun", 4)]
    [InlineData("mpirun.mpich", 2)]
    public void Processes_GiveTheRecordedOutputs(string launcher, int ranks)
    {
        RankProcess.Require(launcher);
        var result = RankProcess.Finish(RankProcess.Start(["families", $"{ranks}", Fixtures.Folder("")], ("GENERATED_MPIRUN", launcher)), seconds: 600);
        Assert.True(result.ExitCode == 0, $"exit code {result.ExitCode}: {result.Errors}");
        // Every rank has each recorded model and each that is divided by positions; of four, a pair each recorded model once more.
        var variants = ParityCases.Variants;
        var expected = ranks * (ParityCases.Recorded.Length + variants.Count(v => v.Ranks == ranks) + ParityCases.DividedByPositions.Length)
            + (ranks == 4 ? 2 * (ParityCases.Recorded.Length + variants.Count(v => v.Ranks == 2)) : 0);
        Assert.Equal(expected, Regex.Matches(result.Output, @"rank \d: (\d+) models are equal").Sum(m => int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture)));
    }
}
