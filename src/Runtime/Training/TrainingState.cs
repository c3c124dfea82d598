using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;
using Generated.Configuration;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Training;

/// <summary>
/// What a training run has beside its weights, in a folder: the optimizer's tensors (<c>optimizer.safetensors</c>), the step and the
/// place in the data (<c>training_state.json</c>), and a hash of both, so that a damaged state is never taken for a whole one. A step
/// draws no random numbers: the order of the data follows from seed and place.
/// </summary>
internal static class TrainingState
{
    /// <summary>The file whose presence says that there is a state.</summary>
    public const string FileName = "training_state.json";

    private const string Stem = "optimizer";
    private const string StepsKey = "steps";
    private const string EpochKey = "epoch";
    private const string IndexKey = "index";
    private const string HashKey = "sha256";

    /// <summary>Writes a run's state.</summary>
    /// <param name="folder">An existing folder, which gets its name when all of it is there (<see cref="FolderTransaction"/>).</param>
    /// <param name="trainer">The run.</param>
    /// <param name="more">Tensors beside the optimizer's, by names of their own.</param>
    /// <exception cref="GeneratedException">The disk is full or failing.</exception>
    public static void Write(string folder, Trainer trainer, IEnumerable<KeyValuePair<string, Tensor>>? more = null)
    {
        var tensors = Tensors(trainer, more);
        using (var writer = CheckpointWriter.Create(folder, tensors.Select(t => t.Value.Describe(t.Key)), new CheckpointWriteOptions { FileStem = Stem, MaxShardBytes = long.MaxValue }))
        {
            foreach (var (name, tensor) in tensors)
                writer.Append(name, tensor);
            writer.Complete();
        }

        var json = new ConfigWriter();
        (string Key, long Value)[] facts = [(StepsKey, trainer.Steps), (EpochKey, trainer.Data.Position.Epoch), (IndexKey, trainer.Data.Position.Index), .. Identity(trainer)];
        foreach (var (key, value) in facts)
            json.Set(key, value);
        json.Set(HashKey, HashOf(folder, facts));
        json.Save(Path.Combine(folder, FileName));
    }

    /// <summary>Sets a run to the state of another one. All of it is checked before anything changes.</summary>
    /// <param name="folder">A folder that <see cref="Write"/> wrote to.</param>
    /// <param name="trainer">A trainer of the same model, data and options.</param>
    /// <param name="more">Tensors beside the optimizer's, which are filled.</param>
    /// <exception cref="InvalidInputException">There is no state, it is damaged, or it is one of other data or another model.</exception>
    public static void Read(string folder, Trainer trainer, IEnumerable<KeyValuePair<string, Tensor>>? more = null)
    {
        var state = ConfigReader.Load(Path.Combine(folder, FileName));
        foreach (var (key, value) in Identity(trainer))
            state.Require(state.Long(key) == value, key, $"is not this run's {value}: resume with the same text, window, batch and seed");
        string[] keys = [StepsKey, EpochKey, IndexKey, .. Identity(trainer).Select(fact => fact.Key)];
        // States that are older than the hash have none.
        if (state.StringOr(null, HashKey) is { } hash && hash != HashOf(folder, keys.Select(key => (key, state.Long(key)))))
            throw new InvalidInputException($"The state of a training in {folder} is damaged: its files are not those that were written.");
        using var file = Checkpoint.Open(PathOf(folder));
        var tensors = Tensors(trainer, more);
        foreach (var (name, tensor) in tensors)
        {
            if (!file.Info(name).Shape.SequenceEqual(tensor.shape))
                throw new InvalidInputException($"Tensor {file.Info(name)} of {file.Location} has another shape than the model: resume with the same model.");
        }

        trainer.Data.Position = new DataPosition(state.Long(EpochKey), state.Int(IndexKey));
        trainer.Optimizer.Steps = state.Long(StepsKey);
        using var noGrad = no_grad();
        foreach (var (name, tensor) in tensors)
            file.LoadInto(name, tensor);
    }

    private static List<KeyValuePair<string, Tensor>> Tensors(Trainer trainer, IEnumerable<KeyValuePair<string, Tensor>>? more) => [.. trainer.Optimizer.StateTensors, .. more ?? []];

    /// <summary>What has to be the same for a resumed run to be the same run.</summary>
    private static IEnumerable<(string Key, long Value)> Identity(Trainer trainer) =>
    [
        ("window", trainer.Data.Window), ("batch", trainer.Data.BatchSize), ("windows_per_epoch", trainer.Data.WindowsPerEpoch),
        ("data_seed", unchecked((long)trainer.Data.Seed)),
    ];

    private static string HashOf(string folder, IEnumerable<(string Key, long Value)> facts)
    {
        try
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            foreach (var (key, value) in facts)
                hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{key} {value}\n")));
            var buffer = new byte[1 << 20];
            using var file = File.OpenRead(PathOf(folder));
            for (int count; (count = file.Read(buffer)) > 0;)
                hash.AppendData(buffer, 0, count);
            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{PathOf(folder)} cannot be read: {e.Message}", e);
        }
    }

    private static string PathOf(string folder) => Path.Combine(folder, Stem + ".safetensors");
}
