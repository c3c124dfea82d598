using Generated.Checkpoints.Writing;
using Generated.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Qat;

/// <summary>
/// Keeps the state of a training in a folder, which is replaced whole: weights, what is learned beside them, what observers have seen, the
/// optimizer's moments, step and place in the data. A training that goes on from it makes the steps that it would have made.
/// </summary>
/// <param name="folder">The folder; its parent belongs to this source, recipe and tokens alone.</param>
/// <param name="interval">When the state is written.</param>
internal sealed class QatCheckpoint(string folder, SaveInterval interval)
{
    private const string SeenName = "seen_by_observers";
    private long _kept;

    /// <summary>The step that the training went on behind; 0 where it began.</summary>
    public long Resumed { get; private set; }

    /// <summary>Why a state that was there is not used, in a sentence; null where it is, or there was none.</summary>
    public string? Refusal { get; private set; }

    /// <summary>Goes on from the state in the folder, where there is one that is whole.</summary>
    public void Resume(QatSession session, Trainer trainer)
    {
        FolderTransaction.Recover(folder);
        if (!File.Exists(Path.Combine(folder, TrainingState.FileName)))
            return;
        using var scope = NewDisposeScope();
        var seen = tensor(session.Seen);
        try
        {
            TrainingState.Read(folder, trainer, Tensors(trainer, seen));
        }
        catch (InvalidInputException e)
        {
            Refusal = e.Message;
            return;
        }

        session.Seen = seen.data<double>().ToArray();
        trainer.Changed();
        Resumed = _kept = trainer.Steps;
    }

    /// <summary>A step is made; writes the state where it is time to.</summary>
    public void Made(QatSession session, Trainer trainer)
    {
        if (interval.IsDue(trainer.Steps))
            Save(session, trainer);
    }

    /// <summary>The training stops before its end; writes the state of steps that would be lost.</summary>
    public void Stopped(QatSession session, Trainer trainer)
    {
        if (!interval.IsNever && trainer.Steps > _kept)
            Save(session, trainer);
    }

    private void Save(QatSession session, Trainer trainer)
    {
        interval.Time(() =>
        {
            using var scope = NewDisposeScope();
            using var transaction = FolderTransaction.Begin(folder, overwrite: true);
            TrainingState.Write(transaction.Folder, trainer, Tensors(trainer, tensor(session.Seen)));
            transaction.Commit();
        });
        _kept = trainer.Steps;
    }

    private static IEnumerable<KeyValuePair<string, Tensor>> Tensors(Trainer trainer, Tensor seen) => [.. trainer.Parameters, new(SeenName, seen)];
}
