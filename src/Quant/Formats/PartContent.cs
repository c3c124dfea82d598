using System.Runtime.InteropServices;
using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;
using Generated.Layers;
using Generated.Loading;
using Generated.Passes;
using Generated.Quant.Kernels;
using Generated.Quant.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Formats;

/// <summary>The tensors of one part of a checkpoint, a block or what is outside blocks, ready to be written.</summary>
internal sealed class PartContent : IDisposable
{
    private readonly List<(TensorInfo Info, Action<CheckpointWriter> Write)> _tensors = [];
    private readonly List<IDisposable> _owned = [];

    /// <summary>What is not plain weights.</summary>
    public Manifest Manifest { get; } = new();

    /// <summary>The tensors.</summary>
    public IEnumerable<TensorInfo> Tensors => _tensors.Select(t => t.Info);

    /// <summary>Writes all of them.</summary>
    public void WriteTo(CheckpointWriter writer)
    {
        foreach (var (_, write) in _tensors)
            write(writer);
    }

    /// <summary>Adds a quantized linear.</summary>
    public void Add(string name, LinearState state)
    {
        var format = LinearFormat.Of(state);
        Manifest.Linears.Add(name, format);
        var weight = state.Weight;
        var matrix = LinearPart.Pack(weight);
        _owned.Add(matrix);
        Add(name + LinearTensors.Codes, DType.U8, [weight.OutWidth, format.RowBytes(weight.InWidth)], writer => writer.Append(name + LinearTensors.Codes, matrix.Packed));
        AddScales(name + LinearTensors.Scales, weight.Scales, weight.OutWidth);
        if (format.HasZeros)
            Add(name + LinearTensors.Zeros, DType.U8, [weight.OutWidth, format.Groups(weight.InWidth)], weight.Zeros!);
        if (format.HasOrder)
            Add(name + LinearTensors.GroupIndex, DType.I32, [weight.InWidth], weight.GroupIndex!);
        Add(name + LinearTensors.Bias, state.Bias);
        if (format.Activations == Recipes.ActivationGranularity.Tensor)
            Add(name + LinearTensors.InputScale, [state.InputScale!.Value]);
        Add(name, state.Input);
    }

    /// <summary>Adds what a linear that stays dense has beyond its declared weights.</summary>
    public void AddDense(string name, InputTransform? transform, Parameter? addedBias)
    {
        if (transform is null && addedBias is null)
            return;
        Manifest.Linears.Add(name, new LinearFormat { HasBias = addedBias is not null, HasShift = transform?.Shift is not null, HasDivisor = transform?.Divisor is not null });
        if (addedBias is not null)
            Add(name + LinearTensors.Bias, Values(addedBias));
        Add(name, transform);
    }

    /// <summary>Adds a bias that the architecture does not declare for a norm.</summary>
    public void AddNormBias(string name, Parameter bias)
    {
        Manifest.NormBiases.Add(name);
        Add(name + ModelNames.Bias, Values(bias));
    }

    /// <summary>Adds the scales of 8-bit keys and values of an attention layer.</summary>
    public void Add(int attention, KvScales scales)
    {
        Manifest.KvLayers.Add(attention);
        Add(ModelNames.KeyScales(attention), scales.Keys);
        Add(ModelNames.ValueScales(attention), scales.Values);
    }

    /// <summary>Adds a quantized embedding.</summary>
    public void Add(string name, EmbeddingState state)
    {
        var isNarrow = state.Format.Bits == 8;
        Add(name + EmbeddingTensors.Codes, isNarrow ? DType.I8 : DType.I16, [state.Rows, state.Width],
            writer => writer.Append(name + EmbeddingTensors.Codes, MemoryMarshal.AsBytes<short>(state.Codes)), isNarrow ? state.Codes : null);
        Add(name + EmbeddingTensors.Scales, state.Scales);
    }

    /// <summary>Adds a plain weight in Hugging Face's layout.</summary>
    /// <exception cref="GeneratedException">A value is not finite in the type it is stored in.</exception>
    public void Add(TensorSpec spec, Tensor value, ScalarType type)
    {
        foreach (var stored in FileTensor.Of(spec, CheckpointLayout.HuggingFace))
            Add(stored.Name, type.ToDType(), [.. stored.Shape], writer => Append(writer, stored, value, type));
    }

    /// <summary>Adds a plain matrix whose rows are read when they are written.</summary>
    /// <exception cref="GeneratedException">A value is not finite in the type it is stored in.</exception>
    public void Add(TensorSpec spec, IWeightRows value, ScalarType type)
    {
        foreach (var stored in FileTensor.Of(spec, CheckpointLayout.HuggingFace))
        {
            Add(stored.Name, type.ToDType(), [.. stored.Shape], writer =>
            {
                // Rows of a transposed matrix are not one after the other in the file.
                foreach (var (start, count) in value.Ranges(stored.IsTransposed ? long.MaxValue : WeightRows.AtOnce))
                {
                    using var rows = value.Rows(start, count);
                    Append(writer, stored, rows, type);
                }
            });
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _owned.ForEach(o => o.Dispose());

    private static void Append(CheckpointWriter writer, FileTensor stored, Tensor value, ScalarType type)
    {
        using var noGrad = no_grad();
        using var typed = value.to_type(type);
        if (!Calibration.Finite.Holds(typed))
            throw new GeneratedException($"'{stored.Name}' would not be finite as {type}; quantize from a checkpoint in float32.");
        using var laidOut = stored.IsTransposed ? typed.t() : typed.alias();
        writer.Append(stored.Name, laidOut);
    }

    private void Add(string name, InputTransform? transform)
    {
        Add(name + LinearTensors.InputShift, transform?.Shift);
        Add(name + LinearTensors.InputDivisor, transform?.Divisor);
    }

    /// <summary>Scales that are all exact in float16 take half the room.</summary>
    private void AddScales(string name, float[] scales, int rows)
    {
        if (!scales.All(s => (float)(Half)s == s))
            Add(name, DType.F32, [rows, scales.Length / rows], scales);
        else
            Add(name, DType.F16, [rows, scales.Length / rows], Array.ConvertAll(scales, s => (Half)s));
    }

    private void Add(string name, float[]? values)
    {
        if (values is not null)
            Add(name, DType.F32, [values.Length], values);
    }

    private void Add<T>(string name, DType type, long[] shape, T[] values)
        where T : unmanaged => Add(name, type, shape, writer => writer.Append(name, MemoryMarshal.AsBytes<T>(values)));

    private void Add(string name, DType type, long[] shape, Action<CheckpointWriter> write, short[]? narrowed = null) =>
        _tensors.Add((new TensorInfo(name, type, shape), narrowed is null ? write : writer => writer.Append(name, MemoryMarshal.AsBytes<sbyte>(Array.ConvertAll(narrowed, c => (sbyte)c)))));

    private static float[] Values(Parameter parameter)
    {
        using var wide = parameter.Value.detach().to(ScalarType.Float32);
        using var host = wide.cpu();
        using var contiguous = host.contiguous();
        return contiguous.data<float>().ToArray();
    }
}

/// <summary>What a quantized embedding's tensors are called, behind the embedding's own name.</summary>
internal static class EmbeddingTensors
{
    public const string Codes = ".codes";
    public const string Scales = ".scales";
}
