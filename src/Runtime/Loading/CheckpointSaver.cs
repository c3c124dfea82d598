using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;
using Generated.Configuration;
using Generated.Layers;
using Generated.Loading.Converting;
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

    /// <summary>Writes another checkpoint of the same weights, a few pieces of tensors in memory at a time.</summary>
    /// <param name="source">A checkpoint folder in any supported format and layout.</param>
    /// <param name="directory">The folder to write.</param>
    /// <param name="options">Layout, format, type.</param>
    /// <param name="cancellation">Stops between two pieces; the folder stays as it was.</param>
    /// <param name="accept">Asked, with the finished folder, before it gets its name; where it says no, the folder is discarded.</param>
    /// <returns>Whether the folder was written.</returns>
    /// <exception cref="InvalidInputException">The source is no complete checkpoint, or the folder exists.</exception>
    /// <exception cref="GeneratedException">The folder cannot be written.</exception>
    public static bool Convert(
        string source, string directory, SaveOptions? options = null, CancellationToken cancellation = default, Func<string, bool>? accept = null)
    {
        options ??= new SaveOptions();
        options.Check();
        using var open = OpenCheckpoint.Open(source);
        open.Weights.CheckCopies();
        using var transaction = FolderTransaction.Begin(directory, options.Overwrite);
        new CheckpointConverter(open, options).Write(transaction.Folder, cancellation);
        CompanionFiles.Convert(open.Directory, transaction.Folder, open.Architecture, options.Layout);
        if (accept is not null && !accept(transaction.Folder))
            return false;
        transaction.Commit();
        return true;
    }

    /// <summary>Writes a model's files into a folder that exists; config keys are kept from one folder (or file), tokenizer files copied from another.</summary>
    internal static void WriteInto(
        string folder, CausalModel model, ArchitectureInfo architecture, SaveOptions options, string? config, string? tokenizer, CancellationToken cancellation)
    {
        if (model.Context.Group.Size > 1)
            throw new InvalidOperationException("A model that is divided over ranks is not saved from one of them.");
        var slots = model.Weights().ToDictionary(slot => slot.Name, StringComparer.Ordinal);
        if (options.Layout == CheckpointLayout.Paddle)
            CheckPaddleTies(slots);
        var files = new CheckpointFolder(architecture, model.Config, options);
        files.WriteTensors(folder, [.. slots.Values.Select(slot => slot.Spec)], _ => model.Dtype, Read, cancellation);
        files.WriteConfig(folder, config is null ? null : ConfigReader.Load(config), options.Dtype ?? model.Dtype);
        if (tokenizer is not null)
            CompanionFiles.Convert(tokenizer, folder, architecture, options.Layout);

        Tensor Read(TensorSpec spec, WeightRange rows) =>
            (slots[spec.TiedTo ?? spec.Name].Parameter ?? throw new InvalidOperationException($"{spec.Name} is not kept as a plain weight."))
            .Value.narrow(0, rows.Start, rows.Length);
    }

    private static void CheckPaddleTies(Dictionary<string, WeightSlot> slots)
    {
        foreach (var slot in slots.Values.Where(slot => slot is { IsTied: false, Spec.PaddleTiedTo: not null }))
        {
            using var equal = slot.Parameter!.Value.eq(slots[slot.Spec.PaddleTiedTo!].Parameter!.Value);
            using var all = equal.all();
            if (!all.item<bool>())
                throw new InvalidInputException($"'{slot.Name}' differs from '{slot.Spec.PaddleTiedTo}', and PaddleNLP's model has one matrix for both; keep the Hugging Face layout.");
        }
    }
}
