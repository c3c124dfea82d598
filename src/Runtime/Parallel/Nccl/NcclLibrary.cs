using System.Runtime.InteropServices;
using Generated.Native;
using TorchSharp;

namespace Generated.Parallel.Nccl;

/// <summary>What identifies a group of ranks before it exists: 128 bytes that rank 0 makes and all ranks pass on.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NcclUniqueId
{
    internal const int Size = 128;
    internal fixed byte Bytes[Size];
}

/// <summary>NCCL's functions by function pointer, and its numbers (nccl.h 2.x: ncclDataType_t, ncclRedOp_t).</summary>
internal sealed unsafe class NcclLibrary
{
    internal const string Variable = "GENERATED_NCCL";
    private const string Name = "libnccl.so.2";
    private readonly nint library;

    internal readonly delegate* unmanaged[Cdecl]<NcclUniqueId*, int> GetUniqueId;
    internal readonly delegate* unmanaged[Cdecl]<nint*, int, NcclUniqueId, int, int> CommInitRank;
    internal readonly delegate* unmanaged[Cdecl]<nint, int> CommDestroy;
    internal readonly delegate* unmanaged[Cdecl]<nint, int> CommAbort;
    internal readonly delegate* unmanaged[Cdecl]<nint, int*, int> CommGetAsyncError;
    internal readonly delegate* unmanaged[Cdecl]<nint, nint, nuint, int, int, nint, nint, int> AllReduce;
    internal readonly delegate* unmanaged[Cdecl]<nint, nint, nuint, int, nint, nint, int> AllGather;
    internal readonly delegate* unmanaged[Cdecl]<nint, nint, nuint, int, int, nint, nint, int> ReduceScatter;
    internal readonly delegate* unmanaged[Cdecl]<nint, nint, nuint, int, int, nint, nint, int> Broadcast;
    internal readonly delegate* unmanaged[Cdecl]<nint, nuint, int, int, nint, nint, int> Send;
    internal readonly delegate* unmanaged[Cdecl]<nint, nuint, int, int, nint, nint, int> Receive;
    internal readonly delegate* unmanaged[Cdecl]<int> GroupStart;
    internal readonly delegate* unmanaged[Cdecl]<int> GroupEnd;
    private readonly delegate* unmanaged[Cdecl]<int, nint> getErrorString;

    private NcclLibrary(nint library, string file)
    {
        this.library = library;
        File = file;
        GetUniqueId = (delegate* unmanaged[Cdecl]<NcclUniqueId*, int>)Export("ncclGetUniqueId");
        CommInitRank = (delegate* unmanaged[Cdecl]<nint*, int, NcclUniqueId, int, int>)Export("ncclCommInitRank");
        CommDestroy = (delegate* unmanaged[Cdecl]<nint, int>)Export("ncclCommDestroy");
        CommAbort = (delegate* unmanaged[Cdecl]<nint, int>)Export("ncclCommAbort");
        CommGetAsyncError = (delegate* unmanaged[Cdecl]<nint, int*, int>)Export("ncclCommGetAsyncError");
        AllReduce = (delegate* unmanaged[Cdecl]<nint, nint, nuint, int, int, nint, nint, int>)Export("ncclAllReduce");
        AllGather = (delegate* unmanaged[Cdecl]<nint, nint, nuint, int, nint, nint, int>)Export("ncclAllGather");
        ReduceScatter = (delegate* unmanaged[Cdecl]<nint, nint, nuint, int, int, nint, nint, int>)Export("ncclReduceScatter");
        Broadcast = (delegate* unmanaged[Cdecl]<nint, nint, nuint, int, int, nint, nint, int>)Export("ncclBroadcast");
        Send = (delegate* unmanaged[Cdecl]<nint, nuint, int, int, nint, nint, int>)Export("ncclSend");
        Receive = (delegate* unmanaged[Cdecl]<nint, nuint, int, int, nint, nint, int>)Export("ncclRecv");
        GroupStart = (delegate* unmanaged[Cdecl]<int>)Export("ncclGroupStart");
        GroupEnd = (delegate* unmanaged[Cdecl]<int>)Export("ncclGroupEnd");
        getErrorString = (delegate* unmanaged[Cdecl]<int, nint>)Export("ncclGetErrorString");
    }

    /// <summary>Path or name of the library.</summary>
    internal string File { get; }

    /// <summary>
    /// Loads NCCL: the one that <c>GENERATED_NCCL</c> names, the one beside the libtorch in use, the one linked into
    /// libtorch_cuda.so, or the system's, in this order.
    /// </summary>
    /// <exception cref="NativeLibraryException">There is none.</exception>
    internal static NcclLibrary Load()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } chosen)
            return Load(chosen);
        if (LibTorch.FindLibrary(Name) is { } beside)
            return Load(beside);
        if (LibTorch.FindLibrary("libtorch_cuda.so") is { } torch && NativeLibrary.TryLoad(torch, out var handle) && NativeLibrary.TryGetExport(handle, "ncclAllReduce", out _))
            return new(handle, torch);
        return NativeLibrary.TryLoad(Name, out var system)
            ? new(system, Name)
            : throw new NativeLibraryException($"Ranks on GPUs need {Name}, which is neither beside libtorch in {LibTorch.Folder} nor on this system; install NVIDIA's libnccl2 package or the Python wheel nvidia-nccl, or set {Variable} to its file.");
    }

    /// <summary>Loads NCCL from a file.</summary>
    internal static NcclLibrary Load(string file) =>
        NativeLibrary.TryLoad(file, out var handle) ? new(handle, file) : throw new NativeLibraryException($"{Variable}: {file} cannot be loaded.");

    internal static int Type(torch.ScalarType type) => type switch
    {
        torch.ScalarType.Int8 => 0,
        torch.ScalarType.Byte or torch.ScalarType.Bool => 1,
        torch.ScalarType.Int32 => 2,
        torch.ScalarType.Int64 => 4,
        torch.ScalarType.Float16 => 6,
        torch.ScalarType.Float32 => 7,
        torch.ScalarType.Float64 => 8,
        torch.ScalarType.BFloat16 => 9,
        _ => throw new ArgumentException($"NCCL cannot exchange tensors of type {type}."),
    };

    internal static int Operation(Reduction reduction) => reduction switch { Reduction.Sum => 0, Reduction.Max => 2, _ => 4 };

    /// <summary>Throws on any return code but success (0) and "in progress" (7).</summary>
    internal void Check(int code, string call)
    {
        if (code is 0 or 7)
            return;
        throw new NcclException(call, code, ErrorText(code));
    }

    internal string ErrorText(int code) => Marshal.PtrToStringUTF8(getErrorString(code)) ?? $"code {code}";

    private nint Export(string name) =>
        NativeLibrary.TryGetExport(library, name, out var address)
            ? address
            : throw new NativeLibraryException($"{File} has no {name}: it is not NCCL 2.7 or newer; set {Variable} to another.");
}

/// <summary>An NCCL call failed.</summary>
public sealed class NcclException : CollectiveException
{
    internal NcclException(string call, int code, string text) : base($"{call} failed: {text}. NCCL_DEBUG=INFO shows more.") => Code = code;

    /// <summary>NCCL's ncclResult_t.</summary>
    public int Code { get; }
}
