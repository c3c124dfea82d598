using System.Runtime.InteropServices;
using TorchSharp;

namespace Generated.Native;

/// <summary>Two native pointers that identify an autograd node: heap-allocated std::shared_ptr and std::weak_ptr.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct NativeNode
{
    internal readonly nint Shared;
    internal readonly nint Weak;
}

/// <summary>A native array of tensor handles.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe readonly struct NativeTensors(nint* handles, long count)
{
    internal readonly nint* Handles = handles;
    internal readonly long Count = count;
}

/// <summary>Exports of TorchSharp's library that TorchSharp keeps to itself or wraps at a cost.</summary>
internal static unsafe partial class TorchSharpExports
{
    private const string Library = "LibTorchSharp";

    /// <summary>Address of the first element of a tensor, its storage offset included; any dtype, CPU or CUDA. Keep the tensor alive while using it.</summary>
    internal static nint Address(torch.Tensor tensor) => THSTensor_data(tensor.Handle);

    [LibraryImport(Library)]
    private static partial nint THSTensor_data(nint handle);

    [LibraryImport(Library)]
    internal static partial NativeNode THSAutograd_CSharpNode_ctor(nint apply, nint delete);

    [LibraryImport(Library)]
    internal static partial void THSAutograd_CSharpNode_disposeSharedPtr(NativeNode node);

    [LibraryImport(Library)]
    internal static partial void THSAutograd_CSharpNode_disposeWeakPtr(NativeNode node);

    [LibraryImport(Library)]
    internal static partial void THSAutograd_CSharpNode_setNextEdges(NativeNode node, NativeTensors inputs, [MarshalAs(UnmanagedType.U1)] bool executable);

    [LibraryImport(Library)]
    internal static partial void THSAutograd_CSharpNode_clearInputMetadata(NativeNode node);

    [LibraryImport(Library)]
    internal static partial void THSAutograd_Function_wrapOutputs(
        NativeTensors inputs, NativeTensors nonDifferentiable, NativeTensors dirty, NativeTensors outputs, NativeNode node, delegate* unmanaged[Cdecl]<nuint, nint*> allocate);
}
