using Generated.Checkpoints.Writing;
using Generated.Native;
using TorchSharp;

namespace Generated.Checkpoints;

/// <summary>
/// Between checkpoints and torch tensors. A tensor of the file's dtype on the CPU is filled by one copy, from the memory map to the
/// tensor's memory; other dtypes and devices go through a buffer of at most 64 MB, never a second copy of the tensor.
/// </summary>
public static class TensorBridge
{
    private const long DirectPiece = 1 << 30;
    private const long BufferedPiece = 64 << 20;

    /// <summary>The torch dtype of a stored dtype.</summary>
    /// <exception cref="InvalidInputException">This torch has no such dtype (unsigned beyond 8 bits, 8-bit floats).</exception>
    public static torch.ScalarType ToScalarType(this DType dtype) => dtype switch
    {
        DType.Bool => torch.ScalarType.Bool,
        DType.U8 => torch.ScalarType.Byte,
        DType.I8 => torch.ScalarType.Int8,
        DType.I16 => torch.ScalarType.Int16,
        DType.F16 => torch.ScalarType.Float16,
        DType.BF16 => torch.ScalarType.BFloat16,
        DType.I32 => torch.ScalarType.Int32,
        DType.F32 => torch.ScalarType.Float32,
        DType.F64 => torch.ScalarType.Float64,
        DType.I64 => torch.ScalarType.Int64,
        _ => throw new InvalidInputException($"Tensors of dtype {dtype.SafetensorsName()} cannot be loaded; convert the checkpoint to a dtype that torch computes in."),
    };

    /// <summary>The stored dtype of a torch dtype.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The dtype is complex or quantized, which checkpoints do not hold.</exception>
    public static DType ToDType(this torch.ScalarType type) => type switch
    {
        torch.ScalarType.Bool => DType.Bool,
        torch.ScalarType.Byte => DType.U8,
        torch.ScalarType.Int8 => DType.I8,
        torch.ScalarType.Int16 => DType.I16,
        torch.ScalarType.Float16 => DType.F16,
        torch.ScalarType.BFloat16 => DType.BF16,
        torch.ScalarType.Int32 => DType.I32,
        torch.ScalarType.Float32 => DType.F32,
        torch.ScalarType.Float64 => DType.F64,
        torch.ScalarType.Int64 => DType.I64,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Checkpoints hold no such tensors."),
    };

    /// <summary>How a torch tensor is stored under a name.</summary>
    public static TensorInfo Describe(this torch.Tensor tensor, string name) => new(name, tensor.dtype.ToDType(), tensor.shape);

    /// <summary>Loads a tensor or a part of it.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="name">Name of the tensor.</param>
    /// <param name="slice">The part, or null for all of it.</param>
    /// <param name="dtype">The dtype to convert to, or null for the file's.</param>
    /// <param name="device">Where to, or null for the CPU.</param>
    /// <returns>A new contiguous tensor of the slice's shape without gradient; the caller disposes it.</returns>
    /// <exception cref="InvalidInputException">There is no such tensor, or torch has no such dtype.</exception>
    public static torch.Tensor Load(
        this ITensorSource source, string name, TensorSlice? slice = null, torch.ScalarType? dtype = null, torch.Device? device = null)
    {
        var info = source.Info(name);
        slice ??= TensorSlice.All(info);
        var tensor = torch.empty([.. slice.Count], dtype ?? info.DType.ToScalarType(), device ?? torch.CPU);
        try
        {
            source.LoadInto(name, tensor, slice);
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    /// <summary>Loads a tensor, or a part of it, into one that exists, converting dtype and device to those of <paramref name="destination"/>.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="name">Name of the tensor.</param>
    /// <param name="destination">A tensor of the slice's shape; it may be a view, strided, a parameter.</param>
    /// <param name="slice">The part, or null for all of it.</param>
    /// <exception cref="InvalidInputException">There is no such tensor, its shape is another, or torch has no such dtype.</exception>
    public static void LoadInto(this ITensorSource source, string name, torch.Tensor destination, TensorSlice? slice = null)
    {
        var info = source.Info(name);
        slice ??= TensorSlice.All(info);
        if (!destination.shape.AsSpan().SequenceEqual([.. slice.Count]))
        {
            throw new InvalidInputException(
                $"Tensor {info} of {source.Location} does not fit the model, which expects shape {Checkpoints.Describe.Shape(destination.shape)}.");
        }

        var type = info.DType.ToScalarType();
        if (destination.device_type == DeviceType.CPU && destination.dtype == type && destination.is_contiguous())
            ReadDirectly(source, info, slice, destination);
        else
            ReadBuffered(source, info, slice, destination);
    }

    /// <summary>Appends a whole tensor to a writer; it may be strided and on any device.</summary>
    /// <exception cref="ArgumentException">The tensor was announced with another dtype or size, or not at all.</exception>
    public static void Append(this CheckpointWriter writer, string name, torch.Tensor tensor)
    {
        using var values = tensor.detach();
        if (values.device_type == DeviceType.CPU && values.is_contiguous())
        {
            AppendContiguous(writer, name, values);
            return;
        }

        foreach (var piece in TensorSlice.All(values.Describe(name)).Chunks(BufferedPiece / values.ElementSize))
        {
            using var view = View(values, piece);
            using var host = view.cpu();
            using var contiguous = host.contiguous();
            AppendContiguous(writer, name, contiguous);
        }
    }

    private static unsafe void ReadDirectly(ITensorSource source, TensorInfo info, TensorSlice slice, torch.Tensor destination)
    {
        var address = (byte*)TorchSharpExports.Address(destination);
        var size = info.DType.Size();
        foreach (var piece in slice.Chunks(DirectPiece / size))
        {
            var length = checked((int)(piece.ElementCount * size));
            source.Read(info.Name, piece, new Span<byte>(address, length));
            address += length;
        }
    }

    private static void ReadBuffered(ITensorSource source, TensorInfo info, TensorSlice slice, torch.Tensor destination)
    {
        using var noGradients = torch.no_grad();
        foreach (var piece in slice.Chunks(BufferedPiece / info.DType.Size()))
        {
            using var buffer = torch.empty([.. piece.Count], info.DType.ToScalarType());
            ReadDirectly(source, info, piece, buffer);
            using var view = View(destination, piece, slice);
            view.copy_(buffer).Dispose();
        }
    }

    private static unsafe void AppendContiguous(CheckpointWriter writer, string name, torch.Tensor tensor)
    {
        var address = (byte*)TorchSharpExports.Address(tensor);
        for (var left = tensor.NumberOfElements * tensor.ElementSize; left > 0;)
        {
            var length = (int)Math.Min(left, DirectPiece);
            writer.Append(name, new ReadOnlySpan<byte>(address, length));
            address += length;
            left -= length;
        }

        GC.KeepAlive(tensor);
    }

    /// <summary>The part of <paramref name="tensor"/> that <paramref name="slice"/> stands for, where the tensor is <paramref name="origin"/> of the stored one.</summary>
    private static torch.Tensor View(torch.Tensor tensor, TensorSlice slice, TensorSlice? origin = null)
    {
        var view = tensor.alias();
        for (var axis = 0; axis < slice.Count.Count; axis++)
        {
            var narrowed = view.narrow(axis, slice.Start[axis] - (origin?.Start[axis] ?? 0), slice.Count[axis]);
            view.Dispose();
            view = narrowed;
        }

        return view;
    }
}
