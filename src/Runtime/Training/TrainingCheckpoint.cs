using Generated.Architectures;
using Generated.Checkpoints.Writing;
using Generated.Loading;

namespace Generated.Training;

/// <summary>
/// A training run on disk: a complete Hugging Face checkpoint, and beside it the optimizer's state (<c>optimizer.safetensors</c>, float32)
/// and the place in the data (<c>training_state.json</c>). A run that resumes from it goes on bit for bit as if it had not stopped.
/// </summary>
public static class TrainingCheckpoint
{
    /// <summary>Whether a folder holds a run that can be resumed. One whose replacement was interrupted is brought back first.</summary>
    public static bool Exists(string directory)
    {
        FolderTransaction.Recover(directory);
        return File.Exists(Path.Combine(directory, TrainingState.FileName));
    }

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
        TrainingState.Write(transaction.Folder, trainer);
        transaction.Commit();
    }

    /// <summary>Continues a run: sets the optimizer's state, the step and the place in the data. The weights are loaded as those of any checkpoint.</summary>
    /// <param name="directory">A folder that <see cref="Save"/> wrote.</param>
    /// <param name="trainer">A trainer with the same model, data and options.</param>
    /// <exception cref="InvalidInputException">The folder holds no run, a damaged one, or one with other data or another model.</exception>
    public static void Resume(string directory, Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        TrainingState.Read(directory, trainer);
    }
}
