using System.Runtime.InteropServices;
using TorchSharp;

namespace Generated.Parallel.Mpi;

/// <summary>MPI as this process has it: the library, initialised once and finalised once, its operations and the watchdog.</summary>
internal sealed unsafe class MpiJob : IDisposable
{
    private static readonly Lock Gate = new();
    private static MpiJob? current;
    private static bool finalized;
    private readonly Dictionary<(torch.ScalarType, bool), nint> operations = [];

    private MpiJob(MpiLibrary library)
    {
        Library = library;
        Watchdog = new(Watchdog.LimitFromEnvironment(), reason => Abort(1, reason));
    }

    internal MpiLibrary Library { get; }

    internal MpiAbi Abi => Library.Abi;

    internal Watchdog Watchdog { get; }

    /// <summary>Initialises MPI.</summary>
    /// <exception cref="CollectiveException">The launcher cannot start MPI ranks, MPI has been finalised, or its threads do not suffice.</exception>
    internal static MpiJob Start()
    {
        lock (Gate)
        {
            if (current is not null)
                return current;
            if (finalized)
                throw new CollectiveException("MPI has been finalised in this process and cannot be started again; keep the world group until the end of the program.");
            var environment = RankEnvironment.Current;
            // MPI_Init would end the process in these cases, without a message a user can act on.
            if (environment.Launcher == Launcher.SlurmWithoutMpi)
                throw new CollectiveException("srun has started these ranks without an MPI plugin; use 'srun --mpi=pmix' with Open MPI or 'srun --mpi=pmi2' with MPICH.");
            if (environment.Launcher == Launcher.Torchrun && environment.Size > 1)
                throw new CollectiveException("RANK and WORLD_SIZE are set, but MPI needs its own launcher: start the program by mpirun, or by 'srun --mpi=...'.");
            var library = MpiLibrary.Load(environment.Launcher);
            var initialized = 0;
            library.Check(library.Initialized(&initialized), "MPI_Initialized");
            var provided = library.Abi.ThreadMultiple;
            if (initialized == 0)
                library.Check(library.InitThread(0, 0, library.Abi.ThreadMultiple, &provided), "MPI_Init_thread");
            if (provided < library.Abi.ThreadMultiple)
                throw new CollectiveException($"{library.File} is built without MPI_THREAD_MULTIPLE, which gradients on other threads and the watchdog need; use another build of MPI.");
            library.Check(library.CommSetErrorHandler(library.Abi.World, library.Abi.ErrorsReturn), "MPI_Comm_set_errhandler");
            return current = new(library);
        }
    }

    /// <summary>The operation for a reduction of a type; an average is a sum.</summary>
    internal nint Operation(torch.ScalarType type, Reduction reduction)
    {
        var maximum = reduction == Reduction.Max;
        if (type is not (torch.ScalarType.BFloat16 or torch.ScalarType.Float16))
            return maximum ? Abi.Max : Abi.Sum;
        lock (operations)
        {
            if (!operations.TryGetValue((type, maximum), out var operation))
            {
                Library.Check(Library.OpCreate(HalfReductions.Function(type, maximum), 1, &operation), "MPI_Op_create");
                operations.Add((type, maximum), operation);
            }
            return operation;
        }
    }

    internal void Abort(int exitCode, string reason)
    {
        FailureReport.Write(reason);
        Library.Abort(Abi.World, exitCode);
    }

    /// <summary>Finalises MPI. All ranks come here, or none.</summary>
    public void Dispose()
    {
        lock (Gate)
        {
            if (current != this)
                return;
            Watchdog.Dispose();
            current = null;
            finalized = true;
            Library.Check(Library.Finalize(), "MPI_Finalize");
        }
    }
}
