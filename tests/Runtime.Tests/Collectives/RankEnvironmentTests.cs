using Generated.Parallel;

namespace Runtime.Tests.Collectives;

public class RankEnvironmentTests
{
    [Theory]
    [InlineData("", Launcher.None, 0, 1, 0, 1)]
    [InlineData("OMPI_COMM_WORLD_RANK=3 OMPI_COMM_WORLD_SIZE=8 OMPI_COMM_WORLD_LOCAL_RANK=1 OMPI_COMM_WORLD_LOCAL_SIZE=2", Launcher.OpenMpi, 3, 8, 1, 2)]
    [InlineData("PMI_RANK=1 PMI_SIZE=4 MPI_LOCALRANKID=1 MPI_LOCALNRANKS=2", Launcher.Mpich, 1, 4, 1, 2)]
    [InlineData("PMI_RANK=1 PMI_SIZE=4 SLURM_PROCID=1 SLURM_NTASKS=4 SLURM_STEP_ID=0 SLURM_LOCALID=1 SLURM_TASKS_PER_NODE=2(x2)", Launcher.Mpich, 1, 4, 1, 2)]
    [InlineData("SLURM_PROCID=5 SLURM_NTASKS=6 SLURM_STEP_ID=0 SLURM_LOCALID=2 SLURM_TASKS_PER_NODE=3(x2) PMIX_RANK=5", Launcher.OpenMpi, 5, 6, 2, 3)]
    [InlineData("SLURM_PROCID=1 SLURM_NTASKS=2 SLURM_STEP_ID=0", Launcher.SlurmWithoutMpi, 1, 2, 0, 2)]
    [InlineData("SLURM_PROCID=0 SLURM_NTASKS=4", Launcher.None, 0, 1, 0, 1)] // sbatch's own shell: no step
    [InlineData("RANK=2 WORLD_SIZE=4 LOCAL_RANK=0 LOCAL_WORLD_SIZE=2 MASTER_ADDR=a MASTER_PORT=1", Launcher.Torchrun, 2, 4, 0, 2)]
    [InlineData("RANK=2", Launcher.None, 0, 1, 0, 1)]
    [InlineData("OMPI_COMM_WORLD_RANK=-1 OMPI_COMM_WORLD_SIZE=x", Launcher.None, 0, 1, 0, 1)]
    public void Variables_TellThePlace(string variables, Launcher launcher, int rank, int size, int localRank, int localSize)
    {
        var map = variables.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(v => v.Split('=')).ToDictionary(v => v[0], v => v[1]);
        Assert.Equal(new RankEnvironment(launcher, rank, size, localRank, localSize), RankEnvironment.Read(map.GetValueOrDefault));
    }

    [Fact]
    public void MpirunArguments_KeepCoresForTheRanks()
    {
        var arguments = string.Join(' ', Launch.Arguments(openMpi: true, Environment.ProcessorCount + 1));
        Assert.StartsWith($"-np {Environment.ProcessorCount + 1}", arguments);
        Assert.Contains("--bind-to none", arguments);
        Assert.Contains("-x TERM=dumb", arguments);
        Assert.Contains("--oversubscribe", arguments);
        Assert.Equal("-np 2", string.Join(' ', Launch.Arguments(openMpi: false, 2)));
    }
}
