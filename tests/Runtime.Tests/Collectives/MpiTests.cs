namespace Runtime.Tests.Collectives;

/// <summary>Real processes under real launchers.</summary>
public class MpiTests
{
    private static RankProcess.Result Run(string launcher, string test, int ranks, params (string, string?)[] environment)
    {
        RankProcess.Require(launcher);
        return RankProcess.Run([test, $"{ranks}"], [("GENERATED_MPIRUN", launcher), .. environment]);
    }

    private static void Succeeds(RankProcess.Result result) => Assert.True(result.ExitCode == 0, $"exit code {result.ExitCode}: {result.Errors}");

    [SkippableTheory]
    [InlineData("mpirun", 2)]
    [InlineData("mpirun", 3)]
    [InlineData("mpirun.mpich", 2)]
    public void EveryCollective_GivesTheDocumentedResult(string launcher, int ranks) => Succeeds(Run(launcher, "contract", ranks));

    [SkippableTheory]
    [InlineData("mpirun", 2)]
    [InlineData("mpirun", 4)]
    [InlineData("mpirun.mpich", 2)]
    public void Mlp_EqualsTheWholeOne(string launcher, int ranks) => Succeeds(Run(launcher, "mlp", ranks));

    [SkippableFact]
    public void Mesh_GroupsNeighbours()
    {
        var result = Run("mpirun", "mesh", 4);
        Succeeds(result);
        Assert.Equal(["rank 0: tp 1, dp 2", "rank 1: tp 1, dp 4", "rank 2: tp 5, dp 2", "rank 3: tp 5, dp 4"], result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Order());
    }

    [SkippableFact]
    public void Launch_SetsThreadsByCores()
    {
        var result = Run("mpirun", "where", 2);
        Succeeds(result);
        var threads = Math.Max(1, Environment.ProcessorCount / 2);
        for (var rank = 0; rank < 2; rank++)
            Assert.Contains($"rank {rank} of 2, {threads} thread(s), Open MPI", result.Output);
    }

    [SkippableTheory]
    [InlineData("mpirun")]
    [InlineData("mpirun.mpich")]
    public void RankThatThrows_EndsTheJobWithItsMessage(string launcher)
    {
        var result = Run(launcher, "throw", 2);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("rank 1: System.InvalidOperationException: the disk is on fire", result.Errors);
    }

    [SkippableFact]
    public void RankWithUnusableInput_EndsTheJobWithCode2()
    {
        var result = Run("mpirun", "unusable", 2);
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("rank 1: config.json: hidden_size is missing", result.Errors);
    }

    [SkippableFact]
    public void RankThatHangs_IsEndedByTheWatchdog()
    {
        var result = Run("mpirun", "hang", 2, ("GENERATED_COLLECTIVE_TIMEOUT", "1"));
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("rank 0: Barrier has not ended within 1 s", result.Errors);
    }

    [SkippableTheory]
    [InlineData("mpirun")]
    [InlineData("mpirun.mpich")]
    public void NullReference_IsStillAnException(string launcher)
    {
        var result = Run(launcher, "null", 2);
        Succeeds(result);
        Assert.Equal(2, result.Output.Split("caught").Length - 1);
    }

    [Fact]
    public void MissingLauncher_IsAUsageError()
    {
        var result = RankProcess.Run(["where", "2"], ("GENERATED_MPIRUN", "no-such-mpirun"));
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("Several ranks need 'no-such-mpirun'", result.Errors);
    }

    [SkippableFact]
    public void AnotherMpiLibraryThanGiven_IsNamed()
    {
        var result = Run("mpirun", "where", 2, ("GENERATED_MPI", "libm.so.6"));
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("libm.so.6 has no MPI_", result.Errors);
    }

    [Fact]
    public void UnusableTimeout_IsNamed()
    {
        var e = Record.Exception(() =>
        {
            Environment.SetEnvironmentVariable(Generated.Parallel.Watchdog.Variable, "soon");
            try
            {
                Generated.Parallel.Watchdog.LimitFromEnvironment();
            }
            finally
            {
                Environment.SetEnvironmentVariable(Generated.Parallel.Watchdog.Variable, null);
            }
        });
        Assert.Contains("GENERATED_COLLECTIVE_TIMEOUT='soon' is not a number of seconds", Assert.IsType<Generated.InvalidInputException>(e).Message);
    }
}
