using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;
using Generated.Configuration;
using Generated.Loading;
using TorchSharp;

namespace Generated.Training;

/// <summary>
/// A training run on disk: a complete Hugging Face checkpoint, and beside it the optimizer's state (<c>optimizer.safetensors</c>, float32)
/// and the place in the data (<c>training_state.json</c>). A run that resumes from it goes on bit for bit as if it had not stopped.
/// </summary>
public static class TrainingCheckpoint
{
    private const string StateFile = "training_state.json";
    private const string OptimizerStem = "optimizer";

    /// <summary>Whether a folder holds a run that can be resumed.</summary>
    public static bool Exists(string directory) => File.Exists(Path.Combine(directory, StateFile));

    /// <summary>Writes the run, replacing the folder whole.</summary>
    /// <param name="directory">The folder.</param>
    /// <param name="trainer">The run.</param>
    /// <param name="model">Its model.</param>
    /// <param name="architecture">The model's architecture.</param>
    /// <param name="config">Folder or config.json whose unknown keys are kept, or null.</param>
    /// <param name="tokenizer">Folder whose tokenizer files are copied, or null.</param>
    public static void Save(string directory, Trainer trainer, CausalModel model, ArchitectureInfo architecture, string? config = null, string? tokenizer = null)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        using var transaction = FolderTransaction.Begin(directory, overwrite: true);
        CheckpointSaver.WriteInto(transaction.Folder, model, architecture, new SaveOptions(), config, tokenizer, CancellationToken.None);
        var state = trainer.Optimizer.StateTensors.ToList();
        using (var writer = CheckpointWriter.Create(transaction.Folder, state.Select(t => t.Value.Describe(t.Key)), new CheckpointWriteOptions { FileStem = OptimizerStem, MaxShardBytes = long.MaxValue }))
        {
            foreach (var (name, tensor) in state)
                writer.Append(name, tensor);
            writer.Complete();
        }

        var json = new ConfigWriter();
        json.Set("steps", trainer.Steps);
        json.Set("epoch", trainer.Data.Position.Epoch);
        json.Set("index", trainer.Data.Position.Index);
        foreach (var (key, value) in Identity(trainer))
            json.Set(key, value);
        json.Save(Path.Combine(transaction.Folder, StateFile));
        transaction.Commit();
    }

    /// <summary>Continues a run: sets the optimizer's state, the step and the place in the data. The weights are loaded as those of any checkpoint.</summary>
    /// <param name="directory">A folder that <see cref="Save"/> wrote.</param>
    /// <param name="trainer">A trainer with the same model, data and options.</param>
    /// <exception cref="InvalidInputException">The folder holds no run, or one with other data or another model.</exception>
    public static void Resume(string directory, Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        var state = ConfigReader.Load(Path.Combine(directory, StateFile));
        foreach (var (key, value) in Identity(trainer))
            state.Require(state.Long(key) == value, key, $"is not this run's {value}: resume with the same text, window, batch and seed");
        using var file = Checkpoint.Open(Path.Combine(directory, OptimizerStem + ".safetensors"));
        using var noGrad = torch.no_grad();
        foreach (var (name, tensor) in trainer.Optimizer.StateTensors)
            file.LoadInto(name, tensor);
        trainer.Optimizer.Steps = state.Long("steps");
        trainer.Data.Position = new DataPosition(state.Long("epoch"), state.Int("index"));
    }

    /// <summary>What has to be the same for a resumed run to be the same run.</summary>
    private static IEnumerable<(string Key, long Value)> Identity(Trainer trainer) =>
    [
        ("window", trainer.Data.Window), ("batch", trainer.Data.BatchSize), ("windows_per_epoch", trainer.Data.WindowsPerEpoch),
        ("data_seed", unchecked((long)trainer.Data.Seed)),
    ];
}
