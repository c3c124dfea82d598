using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Layers;
using Generated.Quant.Formats;
using Generated.Quant.Kernels;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Layers;

/// <summary>A token embedding in 8- or 16-bit codes with one scale per row; looking up dequantizes the rows that are asked for and no others.</summary>
public sealed class QuantizedEmbeddingTable : EmbeddingTable
{
    private readonly Tensor _codes;
    private readonly Tensor _scales;
    private readonly ScalarType _dtype;
    private readonly double _steps;

    /// <param name="codes">[rows, width] int8 or int16; this disposes of it.</param>
    /// <param name="scales">[rows, 1] float32; this disposes of it.</param>
    /// <param name="spacing">How codes are spaced.</param>
    /// <param name="dtype">Type of the rows.</param>
    internal QuantizedEmbeddingTable(Tensor codes, Tensor scales, EmbeddingSpacing spacing, ScalarType dtype)
    {
        (_codes, _scales, _dtype) = (codes.DetachFromDisposeScope(), scales.DetachFromDisposeScope(), dtype);
        _steps = spacing == EmbeddingSpacing.AbsMax ? 0 : codes.dtype == ScalarType.Int8 ? 8 : 2048;
    }

    /// <inheritdoc/>
    public override long Bytes => _codes.numel() * _codes.ElementSize + _scales.numel() * sizeof(float);

    /// <inheritdoc/>
    public override Tensor Rows(Tensor indices)
    {
        using var scope = NewDisposeScope();
        var codes = _codes.index_select(0, indices).to(ScalarType.Float32);
        var scales = _scales.index_select(0, indices);
        if (_steps == 0)
            return codes.mul(scales).to(_dtype).MoveToOuterDisposeScope();
        var magnitudes = pow(2, (codes.abs() - 1) / -_steps);
        return (codes.sign() * magnitudes * scales).to(_dtype).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _codes.Dispose();
        _scales.Dispose();
    }

    /// <summary>Reads a model's embedding from a file of the own format; a tied head multiplies with the codes where the format says so.</summary>
    internal static void Put(CausalModel model, WeightSlot slot, EmbeddingFormat format, ITensorSource file)
    {
        var embedding = (Embedding)slot.Layer;
        var name = ModelNames.Stem(slot.Name);
        var rows = embedding.Rows;
        var scales = file.Load(name + EmbeddingTensors.Scales, TensorSlice.Along(file.Info(name + EmbeddingTensors.Scales), 0, rows.Start, rows.Length), device: model.Device);
        using (scales)
        {
            var codes = file.Load(name + EmbeddingTensors.Codes, TensorSlice.Along(file.Info(name + EmbeddingTensors.Codes), 0, rows.Start, rows.Length), device: model.Device);
            if (format.TiedHead && ReplaceTiedHead(model, slot, format, codes, scales) is { } shared)
            {
                codes.Dispose();
                embedding.Replace(new PackedEmbeddingTable(shared, model.Dtype));
            }
            else
                embedding.Replace(new QuantizedEmbeddingTable(codes, scales.unsqueeze(-1), format.Spacing, model.Dtype));
        }
    }

    /// <summary>Lets the head multiply with the codes. Gives the matrix that lookups can share; null where the head holds a copy on its device.</summary>
    private static unsafe PackedInt8Matrix? ReplaceTiedHead(CausalModel model, WeightSlot slot, EmbeddingFormat format, Tensor codes, Tensor scales)
    {
        if (format is not { Bits: 8, Spacing: EmbeddingSpacing.AbsMax })
            throw new InvalidInputException($"A head tied to a quantized embedding multiplies with evenly spaced 8-bit codes only, not with {format.Bits} bits spaced by {format.Spacing}.");
        var head = model.Linears().FirstOrDefault(l => l.Linear is DenseLinear { TiedTo: { } tied } && ReferenceEquals(tied, slot.Layer))
            ?? throw new InvalidInputException("No head is tied to the quantized embedding.");
        using var host = codes.cpu();
        using var hostScales = scales.cpu();
        var values = new ReadOnlySpan<sbyte>((void*)Native.TorchSharpExports.Address(host), checked((int)host.numel()));
        var matrix = new PackedInt8Matrix((int)codes.shape[0], (int)codes.shape[1], values, hostScales.data<float>().ToArray(), 0);
        head.Linear = new QuantizedLinear(head.Linear, new LinearPart { Matrix = matrix });
        return model.Device.type == DeviceType.CPU ? matrix : null;
    }
}

/// <summary>Rows of a head's packed matrix, where head and embedding are one.</summary>
/// <param name="matrix">[rows, width], the head's.</param>
/// <param name="dtype">Type of the rows.</param>
internal sealed unsafe class PackedEmbeddingTable(PackedInt8Matrix matrix, ScalarType dtype) : EmbeddingTable
{
    /// <inheritdoc/>
    public override long Bytes => matrix.Bytes;

    /// <inheritdoc/>
    public override Tensor Rows(Tensor indices)
    {
        using var flat = indices.contiguous();
        var count = flat.numel();
        var rows = empty([count, matrix.InWidth], ScalarType.Float32);
        var (from, to) = ((long)Native.TorchSharpExports.Address(flat), (long)Native.TorchSharpExports.Address(rows));
        for (var i = 0L; i < count; i++)
            matrix.Dequantize((float*)to + i * matrix.InWidth, checked((int)((long*)from)[i]), 1);
        GC.KeepAlive(flat);
        if (dtype == ScalarType.Float32)
            return rows;
        using (rows)
            return rows.to(dtype);
    }

    /// <summary>The matrix is the head's to free.</summary>
    public override void Dispose()
    {
    }
}
