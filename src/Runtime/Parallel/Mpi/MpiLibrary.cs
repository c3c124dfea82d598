using System.Runtime.InteropServices;
using System.Text;
using Generated.Native;

namespace Generated.Parallel.Mpi;

/// <summary>The functions of the MPI library that fits the launcher, by function pointer: no shim, no header at build time.</summary>
internal sealed unsafe class MpiLibrary
{
    internal const string Variable = "GENERATED_MPI";
    private const int MaxErrorString = 4096;
    private readonly nint library;

    internal readonly delegate* unmanaged[Cdecl]<nint, nint, int, int*, int> InitThread;
    internal readonly delegate* unmanaged[Cdecl]<int*, int> Initialized;
    internal readonly delegate* unmanaged[Cdecl]<int> Finalize;
    internal readonly delegate* unmanaged[Cdecl]<nint, int*, int> CommRank;
    internal readonly delegate* unmanaged[Cdecl]<nint, int*, int> CommSize;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, int, nint*, int> CommSplit;
    internal readonly delegate* unmanaged[Cdecl]<nint*, int> CommFree;
    internal readonly delegate* unmanaged[Cdecl]<nint, nint, int> CommSetErrorHandler;
    internal readonly delegate* unmanaged[Cdecl]<nint, nint, int, nint, nint, nint, int> AllReduce;
    internal readonly delegate* unmanaged[Cdecl]<nint, nint, int, nint, nint, nint, nint*, int> IAllReduce;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, nint, nint, int, nint, nint, int> AllGather;
    internal readonly delegate* unmanaged[Cdecl]<nint, nint, int, nint, nint, nint, int> ReduceScatterBlock;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, nint, nint, int, nint, nint, int> AllToAll;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, nint, int, nint, int> Broadcast;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, nint, int, int, nint, int> Send;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, nint, int, int, nint, nint, int> Receive;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, nint, int, int, nint, nint*, int> ISend;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, nint, int, int, nint, nint*, int> IReceive;
    internal readonly delegate* unmanaged[Cdecl]<nint*, nint, int> Wait;
    internal readonly delegate* unmanaged[Cdecl]<nint, int> Barrier;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, nint*, int> OpCreate;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, int> Abort;
    private readonly delegate* unmanaged[Cdecl]<int, byte*, int*, int> errorString;

    private MpiLibrary(nint library, string file)
    {
        this.library = library;
        File = file;
        Abi = MpiAbi.Detect(library, file);
        InitThread = (delegate* unmanaged[Cdecl]<nint, nint, int, int*, int>)Export("MPI_Init_thread");
        Initialized = (delegate* unmanaged[Cdecl]<int*, int>)Export("MPI_Initialized");
        Finalize = (delegate* unmanaged[Cdecl]<int>)Export("MPI_Finalize");
        CommRank = (delegate* unmanaged[Cdecl]<nint, int*, int>)Export("MPI_Comm_rank");
        CommSize = (delegate* unmanaged[Cdecl]<nint, int*, int>)Export("MPI_Comm_size");
        CommSplit = (delegate* unmanaged[Cdecl]<nint, int, int, nint*, int>)Export("MPI_Comm_split");
        CommFree = (delegate* unmanaged[Cdecl]<nint*, int>)Export("MPI_Comm_free");
        CommSetErrorHandler = (delegate* unmanaged[Cdecl]<nint, nint, int>)Export("MPI_Comm_set_errhandler");
        AllReduce = (delegate* unmanaged[Cdecl]<nint, nint, int, nint, nint, nint, int>)Export("MPI_Allreduce");
        IAllReduce = (delegate* unmanaged[Cdecl]<nint, nint, int, nint, nint, nint, nint*, int>)Export("MPI_Iallreduce");
        AllGather = (delegate* unmanaged[Cdecl]<nint, int, nint, nint, int, nint, nint, int>)Export("MPI_Allgather");
        ReduceScatterBlock = (delegate* unmanaged[Cdecl]<nint, nint, int, nint, nint, nint, int>)Export("MPI_Reduce_scatter_block");
        AllToAll = (delegate* unmanaged[Cdecl]<nint, int, nint, nint, int, nint, nint, int>)Export("MPI_Alltoall");
        Broadcast = (delegate* unmanaged[Cdecl]<nint, int, nint, int, nint, int>)Export("MPI_Bcast");
        Send = (delegate* unmanaged[Cdecl]<nint, int, nint, int, int, nint, int>)Export("MPI_Send");
        Receive = (delegate* unmanaged[Cdecl]<nint, int, nint, int, int, nint, nint, int>)Export("MPI_Recv");
        ISend = (delegate* unmanaged[Cdecl]<nint, int, nint, int, int, nint, nint*, int>)Export("MPI_Isend");
        IReceive = (delegate* unmanaged[Cdecl]<nint, int, nint, int, int, nint, nint*, int>)Export("MPI_Irecv");
        Wait = (delegate* unmanaged[Cdecl]<nint*, nint, int>)Export("MPI_Wait");
        Barrier = (delegate* unmanaged[Cdecl]<nint, int>)Export("MPI_Barrier");
        OpCreate = (delegate* unmanaged[Cdecl]<nint, int, nint*, int>)Export("MPI_Op_create");
        Abort = (delegate* unmanaged[Cdecl]<nint, int, int>)Export("MPI_Abort");
        errorString = (delegate* unmanaged[Cdecl]<int, byte*, int*, int>)Export("MPI_Error_string");
    }

    internal MpiAbi Abi { get; }

    /// <summary>Name or path the library was loaded by.</summary>
    internal string File { get; }

    /// <summary>
    /// Loads the library of the launcher that started this process (<c>GENERATED_MPI</c> names another), after telling
    /// UCX, which MPICH and InfiniBand use, to leave the SIGSEGV handler and the memory functions alone: its handler would
    /// end the process where .NET throws a NullReferenceException.
    /// </summary>
    /// <exception cref="NativeLibraryException">No library is found; the message lists the names tried.</exception>
    internal static MpiLibrary Load(Launcher launcher)
    {
        Libc.SetEnvironment("UCX_ERROR_SIGNALS", "");
        Libc.SetEnvironment("UCX_MEM_EVENTS", "n", overwrite: false);
        var chosen = Environment.GetEnvironmentVariable(Variable);
        string[] names = !string.IsNullOrEmpty(chosen) ? [chosen]
            : launcher == Launcher.Mpich ? ["libmpi.so.12", "libmpich.so.12", "libmpi_abi.so.0"]
            : ["libmpi.so.40", "libmpi.so.80", "libmpi_abi.so.0"];
        foreach (var name in names)
            if (NativeLibrary.TryLoad(name, out var library))
                return new(library, name);
        throw new NativeLibraryException(
            $"No MPI library found (tried {string.Join(", ", names)}); install the launcher's own, such as 'apt-get install openmpi-bin', or set {Variable} to its file.");
    }

    /// <summary>Throws on any return code but success.</summary>
    internal void Check(int code, string call)
    {
        if (code == 0)
            return;
        var buffer = stackalloc byte[MaxErrorString];
        var length = 0;
        var text = errorString(code, buffer, &length) == 0 ? Encoding.UTF8.GetString(buffer, Math.Clamp(length, 0, MaxErrorString)) : $"code {code}";
        throw new MpiException(call, code, text);
    }

    private nint Export(string name) =>
        NativeLibrary.TryGetExport(library, name, out var address)
            ? address
            : throw new NativeLibraryException($"{File} has no {name}: it is not an MPI library, or older than MPI 3; set {Variable} to another.");
}

/// <summary>An MPI call failed.</summary>
public sealed class MpiException : CollectiveException
{
    internal MpiException(string call, int code, string text) : base($"{call} failed: {text}.") => Code = code;

    /// <summary>MPI's error code.</summary>
    public int Code { get; }
}
