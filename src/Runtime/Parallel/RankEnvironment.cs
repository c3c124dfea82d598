using System.Globalization;

namespace Generated.Parallel;

/// <summary>What started the ranks of a job.</summary>
public enum Launcher
{
    /// <summary>Nothing: one rank.</summary>
    None,

    /// <summary>Open MPI's mpirun, or srun --mpi=pmix with Open MPI.</summary>
    OpenMpi,

    /// <summary>MPICH's or Intel's mpiexec (Hydra), or srun --mpi=pmi2.</summary>
    Mpich,

    /// <summary>srun without an MPI plugin: ranks cannot find each other.</summary>
    SlurmWithoutMpi,

    /// <summary>torchrun or anything that sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT.</summary>
    Torchrun,
}

/// <summary>This process's place in its job, as the launcher's environment variables tell it.</summary>
/// <param name="Launcher">What started the job.</param>
/// <param name="Rank">Number of this process.</param>
/// <param name="Size">Number of processes.</param>
/// <param name="LocalRank">Number of this process on its machine.</param>
/// <param name="LocalSize">Number of the job's processes on this machine.</param>
public sealed record RankEnvironment(Launcher Launcher, int Rank, int Size, int LocalRank, int LocalSize)
{
    /// <summary>This process's environment.</summary>
    public static RankEnvironment Current { get; } = Read(Environment.GetEnvironmentVariable);

    /// <summary>Threads that this rank should compute with, so that the ranks of a machine together use each core once.</summary>
    public int ThreadsPerRank => Math.Max(1, Environment.ProcessorCount / Math.Max(1, LocalSize));

    /// <summary>Reads the variables of the launchers that are known.</summary>
    /// <param name="variable">Gives a variable's value, or null.</param>
    public static RankEnvironment Read(Func<string, string?> variable)
    {
        int? Number(string name) => int.TryParse(variable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
        // SLURM writes "4" or "4(x2),3"; the first number is that of the first machine.
        int? SlurmLocalSize() => int.TryParse(variable("SLURM_TASKS_PER_NODE")?.Split('(', ',')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

        if (Number("OMPI_COMM_WORLD_RANK") is { } rank && Number("OMPI_COMM_WORLD_SIZE") is { } size)
            return new(Launcher.OpenMpi, rank, size, Number("OMPI_COMM_WORLD_LOCAL_RANK") ?? 0, Number("OMPI_COMM_WORLD_LOCAL_SIZE") ?? size);
        if (Number("PMI_RANK") is { } pmiRank && Number("PMI_SIZE") is { } pmiSize)
            return new(Launcher.Mpich, pmiRank, pmiSize, Number("MPI_LOCALRANKID") ?? Number("SLURM_LOCALID") ?? 0, Number("MPI_LOCALNRANKS") ?? SlurmLocalSize() ?? pmiSize);
        if (Number("SLURM_PROCID") is { } slurmRank && Number("SLURM_NTASKS") is { } slurmSize and > 1 && variable("SLURM_STEP_ID") is not null)
            return new(variable("PMIX_RANK") is null ? Launcher.SlurmWithoutMpi : Launcher.OpenMpi, slurmRank, slurmSize, Number("SLURM_LOCALID") ?? 0, SlurmLocalSize() ?? slurmSize);
        if (Number("RANK") is { } torchRank && Number("WORLD_SIZE") is { } torchSize && variable("MASTER_ADDR") is not null)
            return new(Launcher.Torchrun, torchRank, torchSize, Number("LOCAL_RANK") ?? 0, Number("LOCAL_WORLD_SIZE") ?? torchSize);
        return new(Launcher.None, 0, 1, 0, 1);
    }
}
