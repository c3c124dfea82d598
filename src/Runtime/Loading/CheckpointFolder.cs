using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;
using Generated.Configuration;
using Generated.Layers;
using Generated.Loading.Converting;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Loading;

/// <summary>Writes the files of a checkpoint folder, tensor by tensor, wherever their values come from.</summary>
/// <param name="architecture">The architecture.</param>
/// <param name="config">Its typed config.</param>
/// <param name="options">Layout, format, type.</param>
internal sealed class CheckpointFolder(ArchitectureInfo architecture, object config, SaveOptions options)
{
    /// <summary>Gives rows of a whole weight, [rows, …] in the canonical layout, any type and device; the caller disposes the tensor.</summary>
    public delegate Tensor RowReader(TensorSpec spec, WeightRange rows);

    /// <summary>Writes the tensor files.</summary>
    /// <param name="folder">An existing folder.</param>
    /// <param name="specs">Every tensor of the model.</param>
    /// <param name="typeOf">Type that a tensor has if none is asked for.</param>
    /// <param name="read">Where values come from.</param>
    /// <param name="cancellation">Stops between two tensors.</param>
    /// <exception cref="InvalidInputException">The layout has no place for one of the tensors.</exception>
    public void WriteTensors(string folder, IReadOnlyList<TensorSpec> specs, Func<TensorSpec, ScalarType> typeOf, RowReader read, CancellationToken cancellation)
    {
        options.Check();
        var plan = specs.SelectMany(spec => Stored(spec).Select(tensor => (Spec: spec, Tensor: tensor, Type: options.Dtype ?? typeOf(spec)))).ToList();
        var writeOptions = new CheckpointWriteOptions
        {
            Format = options.Format,
            MaxShardBytes = options.MaxShardBytes,
            Metadata = new Dictionary<string, string> { ["format"] = options.Layout == CheckpointLayout.Paddle ? "np" : "pt" },
        };
        using var writer = CheckpointWriter.Create(folder, plan.Select(p => new TensorInfo(p.Tensor.Name, p.Type.ToDType(), [.. p.Tensor.Shape])), writeOptions);
        var total = plan.Sum(p => p.Tensor.Rows.Length * (double)p.Spec.Shape.Skip(1).Aggregate(1L, (a, b) => a * b));
        double done = 0;
        using var noGrad = torch.no_grad();
        foreach (var (spec, tensor, type) in plan)
        {
            cancellation.ThrowIfCancellationRequested();
            using var rows = read(spec, tensor.Rows);
            using var typed = rows.to_type(type);
            using var stored = tensor.IsTransposed ? typed.t() : typed.alias();
            writer.Append(tensor.Name, stored);
            done += rows.NumberOfElements;
            options.Progress?.Report(done / total);
        }

        writer.Complete();
    }

    /// <summary>Writes config.json: the source's keys where there is one, the architecture's own, and what says type and class.</summary>
    public void WriteConfig(string folder, ConfigReader? source, ScalarType type) => new ConfigConversion(architecture, config, options).Write(folder, source, type);

    private IReadOnlyList<FileTensor> Stored(TensorSpec spec)
    {
        // A tied matrix is in the file once, or twice where the declaration says so.
        var isPaddle = options.Layout == CheckpointLayout.Paddle;
        if (isPaddle ? spec.PaddleTiedTo is not null : spec.TiedTo is not null && !spec.KeepsTied)
            return [];
        if (isPaddle && spec.TiedTo is not null && spec.Paddle is null)
            return [];
        var tensors = FileTensor.Of(spec, options.Layout);
        return tensors.Count > 0
            ? tensors
            : throw new InvalidInputException($"{architecture.Name} has no Paddle counterpart of '{spec.Name}': write it in the Hugging Face layout.");
    }
}
