using System.Runtime.InteropServices;
using TorchSharp;

namespace Generated.Parallel.Mpi;

/// <summary>
/// The handles and numbers of one MPI binary interface. Handles are pointers in Open MPI, 32-bit integers in the MPICH
/// family (MPICH, Intel, MVAPICH) and small pointers in the MPI 5.0 standard interface; all fit a native integer, so one
/// set of function pointers serves all three. Sources: the mpi.h of Open MPI 4.1 and MPICH 4.0; MPI 5.0, appendix A.
/// </summary>
internal sealed class MpiAbi
{
    /// <summary>Name for messages.</summary>
    internal required string Name { get; init; }

    internal required nint World { get; init; }

    internal required nint RequestNull { get; init; }

    internal required nint ErrorsReturn { get; init; }

    internal required nint InPlace { get; init; }

    internal required nint StatusIgnore { get; init; }

    internal required nint Sum { get; init; }

    internal required nint Max { get; init; }

    internal required nint Byte { get; init; }

    internal required nint UInt16 { get; init; }

    internal required nint Float { get; init; }

    internal required nint Double { get; init; }

    internal required nint Int32 { get; init; }

    internal required nint Int64 { get; init; }

    internal required nint Int8 { get; init; }

    internal required nint Int16 { get; init; }

    internal required int ThreadMultiple { get; init; }

    /// <summary>Finds out which interface a loaded library has.</summary>
    internal static MpiAbi Detect(nint library, string file)
    {
        if (NativeLibrary.TryGetExport(library, "ompi_mpi_comm_world", out _))
            return OpenMpi(library);
        return Path.GetFileName(file).Contains("mpi_abi", StringComparison.Ordinal) && NativeLibrary.TryGetExport(library, "MPI_Abi_get_version", out _) ? Standard() : Mpich();
    }

    /// <summary>The MPI type of a tensor's elements; halves travel as 16-bit integers and are combined by our own operation.</summary>
    internal nint Type(torch.ScalarType type) => type switch
    {
        torch.ScalarType.Float32 => Float,
        torch.ScalarType.Float64 => Double,
        torch.ScalarType.Int32 => Int32,
        torch.ScalarType.Int64 => Int64,
        torch.ScalarType.Int16 => Int16,
        torch.ScalarType.Int8 => Int8,
        torch.ScalarType.Byte or torch.ScalarType.Bool => Byte,
        torch.ScalarType.BFloat16 or torch.ScalarType.Float16 => UInt16,
        _ => throw new ArgumentException($"MPI cannot exchange tensors of type {type}."),
    };

    private static MpiAbi OpenMpi(nint library)
    {
        nint At(string name) => NativeLibrary.GetExport(library, name);
        return new()
        {
            Name = "Open MPI",
            World = At("ompi_mpi_comm_world"),
            RequestNull = At("ompi_request_null"),
            ErrorsReturn = At("ompi_mpi_errors_return"),
            InPlace = 1,
            StatusIgnore = 0,
            Sum = At("ompi_mpi_op_sum"),
            Max = At("ompi_mpi_op_max"),
            Byte = At("ompi_mpi_uint8_t"),
            UInt16 = At("ompi_mpi_uint16_t"),
            Float = At("ompi_mpi_float"),
            Double = At("ompi_mpi_double"),
            Int32 = At("ompi_mpi_int32_t"),
            Int64 = At("ompi_mpi_int64_t"),
            Int8 = At("ompi_mpi_int8_t"),
            Int16 = At("ompi_mpi_int16_t"),
            ThreadMultiple = 3,
        };
    }

    private static MpiAbi Mpich() => new()
    {
        Name = "MPICH",
        World = 0x44000000,
        RequestNull = 0x2c000000,
        ErrorsReturn = 0x54000001,
        InPlace = -1,
        StatusIgnore = 1,
        Sum = 0x58000003,
        Max = 0x58000001,
        Byte = 0x4c00013b,
        UInt16 = 0x4c00023c,
        Float = 0x4c00040a,
        Double = 0x4c00080b,
        Int32 = 0x4c000439,
        Int64 = 0x4c00083a,
        Int8 = 0x4c000137,
        Int16 = 0x4c000238,
        ThreadMultiple = 3,
    };

    private static MpiAbi Standard() => new()
    {
        Name = "MPI 5 ABI",
        World = 0x101,
        RequestNull = 0x180,
        ErrorsReturn = 0x143,
        InPlace = 1,
        StatusIgnore = 0,
        Sum = 0x21,
        Max = 0x23,
        Byte = 0x241,
        UInt16 = 0x249,
        Float = 0x210,
        Double = 0x214,
        Int32 = 0x250,
        Int64 = 0x258,
        Int8 = 0x240,
        Int16 = 0x248,
        ThreadMultiple = 4096,
    };
}
