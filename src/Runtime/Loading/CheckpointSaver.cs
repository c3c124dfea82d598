using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;
using Generated.Configuration;
using Generated.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Loading;

/// <summary>Writes checkpoint folders that every command and the original libraries load. A folder appears whole or not at all.</summary>
public static class CheckpointSaver
{
    /// <summary>Writes a model in memory.</summary>
    /// <param name="model">The model, on one rank.</param>
    /// <param name="architecture">Its architecture.</param>
    /// <param name="directory">The folder to write.</param>
    /// <param name="options">Layout, format, type.</param>
    /// <param name="source">Folder that the model came from: unknown config keys are kept, tokenizer files copied.</param>
    /// <param name="cancellation">Stops between two tensors; the folder stays as it was.</param>
    /// <exception cref="InvalidInputException">The folder exists, or the layout has no place for a tensor.</exception>
    /// <exception cref="GeneratedException">The folder cannot be written.</exception>
    public static void Save(
        CausalModel model, ArchitectureInfo architecture, string directory, SaveOptions? options = null, string? source = null, CancellationToken cancellation = default)
    {
        options ??= new SaveOptions();
        using var transaction = FolderTransaction.Begin(directory, options.Overwrite);
        WriteInto(transaction.Folder, model, architecture, options, source, source, cancellation);
        transaction.Commit();
    }

    /// <summary>Writes another checkpoint of the same weights, one tensor in memory at a time.</summary>
    /// <param name="source">A checkpoint folder in any supported format and layout.</param>
    /// <param name="directory">The folder to write.</param>
    /// <param name="options">Layout, format, type.</param>
    /// <param name="cancellation">Stops between two tensors; the folder stays as it was.</param>
    /// <exception cref="InvalidInputException">The source is no complete checkpoint, or the folder exists.</exception>
    /// <exception cref="GeneratedException">The folder cannot be written.</exception>
    public static void Convert(string source, string directory, SaveOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new SaveOptions();
        options.Check();
        var reader = ConfigReader.Load(source);
        var (architecture, config) = ModelLoader.ReadConfig(reader);
        using var checkpoint = Checkpoint.Open(source);
        var weights = ModelLoader.Open(checkpoint, architecture, config);
        weights.CheckCopies();
        using var transaction = FolderTransaction.Begin(directory, options.Overwrite);
        var folder = new CheckpointFolder(architecture, config, options);
        folder.WriteTensors(transaction.Folder, weights.Specs, spec => weights.TypeOf(spec).ToScalarType(), Read, cancellation);
        folder.WriteConfig(transaction.Folder, reader, options.Dtype ?? weights.Dtype);
        CheckpointFolder.CopyCompanions(source, transaction.Folder);
        transaction.Commit();

        Tensor Read(TensorSpec spec, WeightRange rows)
        {
            checkpoint.ForgetPages();
            var tensor = torch.empty([rows.Length, .. spec.Shape.Skip(1)], weights.TypeOf(spec).ToScalarType());
            weights.Read(spec, 0, rows, tensor);
            return tensor;
        }
    }

    /// <summary>Writes a model's files into a folder that exists; config keys are kept from one folder (or file), tokenizer files copied from another.</summary>
    internal static void WriteInto(
        string folder, CausalModel model, ArchitectureInfo architecture, SaveOptions options, string? config, string? tokenizer, CancellationToken cancellation)
    {
        if (model.Context.Group.Size > 1)
            throw new InvalidOperationException("A model that is divided over ranks is not saved from one of them.");
        var slots = model.Weights().ToDictionary(slot => slot.Name, StringComparer.Ordinal);
        var files = new CheckpointFolder(architecture, model.Config, options);
        files.WriteTensors(folder, [.. slots.Values.Select(slot => slot.Spec)], _ => model.Dtype, Read, cancellation);
        files.WriteConfig(folder, config is null ? null : ConfigReader.Load(config), options.Dtype ?? model.Dtype);
        if (tokenizer is not null)
            CheckpointFolder.CopyCompanions(tokenizer, folder);

        Tensor Read(TensorSpec spec, WeightRange rows) =>
            (slots[spec.TiedTo ?? spec.Name].Parameter ?? throw new InvalidOperationException($"{spec.Name} is not kept as a plain weight."))
            .Value.narrow(0, rows.Start, rows.Length);
    }
}
