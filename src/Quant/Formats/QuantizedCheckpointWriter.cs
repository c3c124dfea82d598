using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Checkpoints.Safetensors;
using Generated.Checkpoints.Writing;
using Generated.Configuration;
using Generated.Layers;
using Generated.Loading;
using Generated.Loading.Converting;
using Generated.Passes;
using Generated.Quant.Layers;
using Generated.Quant.Recipes.Files;
using static TorchSharp.torch;

namespace Generated.Quant.Formats;

/// <summary>
/// Writes a quantized checkpoint part by part (what is outside blocks, then each block), each part a file that appears whole or not at all. A run
/// that was interrupted continues behind the parts it has; the folder gets its name when all are there. Equal parts give equal bytes.
/// </summary>
public sealed class QuantizedCheckpointWriter : IDisposable
{
    /// <summary>The part that is outside blocks.</summary>
    public const int Ends = -1;

    private const string ManifestKey = "generated";
    private const string StateFile = "quantization.state";
    private const string Work = "work";
    private const string Rewritten = "rewritten";

    private readonly QuantizedCheckpointPlan _plan;
    private readonly FolderTransaction _transaction;
    private readonly SortedSet<int> _done = [];
    private readonly Dictionary<string, string> _patterns;
    private bool _isSealed;

    private QuantizedCheckpointWriter(QuantizedCheckpointPlan plan, FolderTransaction transaction)
    {
        (_plan, _transaction) = (plan, transaction);
        _patterns = plan.Architecture.StructureOf(plan.Config).Linears.ToDictionary(l => l.Path, l => l.Name, StringComparer.Ordinal);
    }

    /// <summary>Parts that are written: indices of blocks, and <see cref="Ends"/>.</summary>
    public IReadOnlySet<int> Done => _done;

    /// <summary>Whether an interrupted run had left parts of another checkpoint, which are gone.</summary>
    internal bool HasDiscarded { get; private init; }

    /// <summary>A folder for what a run wants to find again when it is resumed; it is gone from the result.</summary>
    public string WorkFolder { get; private init; } = "";

    /// <summary>Starts a checkpoint, or continues one that was interrupted.</summary>
    /// <param name="plan">What it is going to be.</param>
    /// <exception cref="InvalidInputException">The folder exists.</exception>
    /// <exception cref="GeneratedException">Another process is writing it, or it cannot be written.</exception>
    public static QuantizedCheckpointWriter Begin(QuantizedCheckpointPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var transaction = FolderTransaction.Begin(plan.Target, plan.Overwrite, resumable: true);
        try
        {
            var state = Path.Combine(transaction.Folder, StateFile);
            var isOther = File.Exists(state) && File.ReadAllText(state) != plan.Fingerprint;
            if (isOther || !File.Exists(state))
            {
                Directory.Delete(transaction.Folder, recursive: true);
                Directory.CreateDirectory(transaction.Folder);
                AtomicFile.WriteAllBytes(state, Encoding.UTF8.GetBytes(plan.Fingerprint));
            }

            var writer = new QuantizedCheckpointWriter(plan, transaction)
            {
                HasDiscarded = isOther,
                WorkFolder = Directory.CreateDirectory(Path.Combine(transaction.Folder, Work)).FullName,
            };
            for (var part = Ends; part < plan.Blocks; part++)
            {
                if (File.Exists(writer.PathOf(part)))
                    writer._done.Add(part);
            }

            return writer;
        }
        catch
        {
            transaction.Dispose();
            throw;
        }
    }

    /// <summary>Writes what is outside blocks.</summary>
    /// <param name="model">A model in which at least that is filled.</param>
    /// <param name="states">States of its quantized linears, by declared path.</param>
    /// <param name="embedding">The quantized token embedding, or null.</param>
    public void WriteEnds(CausalModel model, IReadOnlyDictionary<string, LinearState> states, EmbeddingState? embedding = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(states);
        using var content = new PartContent();
        var weights = model.WeightsOutsideBlocks().Select(Stored).ToList();
        if (embedding is not null)
            weights = WithoutEmbedding(weights, embedding, content);
        Collect(content, weights, [.. model.LinearSites.Where(s => s.Get(model) is not null).Select(s => new LinearSlot(model, s, Ends))], states);
        var finished = embedding is null ? content.Manifest : content.Manifest with { Embedding = embedding.Format };
        Write(Ends, content, finished);
    }

    /// <summary>Writes a block.</summary>
    /// <param name="block">The block, dense weights filled.</param>
    /// <param name="context">What it was built with; its attention layers' scales are written.</param>
    /// <param name="states">States of its quantized linears, by declared path.</param>
    public void WriteBlock(Block block, BuildContext context, IReadOnlyDictionary<string, LinearState> states)
    {
        ArgumentNullException.ThrowIfNull(block);
        ArgumentNullException.ThrowIfNull(context);
        WriteBlock(block, [.. context.Attentions.Select(a => a.KvScales)], states);
    }

    /// <summary>Writes a block.</summary>
    /// <param name="block">The block, dense weights filled.</param>
    /// <param name="kvScales">For each of its attention layers, scales of 8-bit keys and values, or null.</param>
    /// <param name="states">States of its quantized linears, by declared path.</param>
    public void WriteBlock(Block block, IReadOnlyList<KvScales?> kvScales, IReadOnlyDictionary<string, LinearState> states)
    {
        ArgumentNullException.ThrowIfNull(block);
        ArgumentNullException.ThrowIfNull(kvScales);
        ArgumentNullException.ThrowIfNull(states);
        using var content = new PartContent();
        Collect(content, [.. block.Weights().Select(Stored)], [.. block.LinearSites.Where(s => s.Get(block) is not null).Select(s => new LinearSlot(block, s, block.Index))], states);
        for (var i = 0; i < kvScales.Count; i++)
        {
            if (kvScales[i] is { } scales)
                content.Add(block.Index * kvScales.Count + i, scales);
        }

        Write(block.Index, content, content.Manifest);
    }

    /// <summary>Adds config, index and the source's companion files, and gives the folder its name.</summary>
    /// <exception cref="InvalidOperationException">A part is missing.</exception>
    public void Complete()
    {
        if (!_isSealed)
            Seal();
        _transaction.Commit();
    }

    /// <summary>Brings the folder to its final content, still under its temporary name.</summary>
    /// <param name="rewrite">Writes the finished folder (first argument) in another layout to a second one, which takes its place; null for the own format.</param>
    /// <returns>The folder; what is put there now is part of the result.</returns>
    /// <exception cref="InvalidOperationException">A part is missing.</exception>
    internal string Seal(Action<string, string>? rewrite = null)
    {
        var missing = Enumerable.Range(Ends, _plan.Blocks + 1).Where(part => !_done.Contains(part)).ToList();
        if (missing.Count > 0)
            throw new InvalidOperationException($"Parts {string.Join(", ", missing)} are not written.");
        var shards = new List<ShardPlan.Shard>();
        var manifests = new List<Manifest>();
        for (var part = Ends; part < _plan.Blocks; part++)
        {
            using var file = SafetensorsFile.Open(PathOf(part));
            manifests.Add(Manifest.Parse(file.Metadata[ManifestKey], file.Location));
            shards.Add(new ShardPlan.Shard(Path.GetFileName(PathOf(part)), [.. file.Tensors.Values]));
        }

        var folder = _transaction.Folder;
        AtomicFile.WriteAllBytes(Path.Combine(folder, "model.safetensors.index.json"), ShardPlan.Index(shards));
        WriteConfig(Manifest.Join(manifests));
        CompanionFiles.Copy(_plan.Source, folder);
        var other = Path.Combine(folder, Rewritten);
        rewrite?.Invoke(folder, other);
        // From here on a run that is interrupted begins anew.
        File.Delete(Path.Combine(folder, StateFile));
        Directory.Delete(WorkFolder, recursive: true);
        if (rewrite is not null)
            Replace(folder, other);
        _isSealed = true;
        return folder;
    }

    private static void Replace(string folder, string other)
    {
        foreach (var file in Directory.EnumerateFiles(folder).ToList())
            File.Delete(file);
        foreach (var file in Directory.EnumerateFiles(other).ToList())
            File.Move(file, Path.Combine(folder, Path.GetFileName(file)));
        Directory.Delete(other, recursive: true);
    }

    /// <summary>Without <see cref="Complete"/>, leaves the parts for a run that continues.</summary>
    public void Dispose() => _transaction.Dispose();

    private void Collect(PartContent content, IReadOnlyList<StoredWeight> weights, IReadOnlyList<LinearSlot> linears, IReadOnlyDictionary<string, LinearState> states)
    {
        var unknown = states.Keys.FirstOrDefault(path => linears.All(l => l.Path != path));
        if (unknown is not null)
            throw new ArgumentException($"There is no linear '{unknown}' in this part.", nameof(states));
        var declared = weights.Select(w => w.Spec.Name).ToHashSet(StringComparer.Ordinal);
        var quantized = new HashSet<string>(StringComparer.Ordinal);
        foreach (var slot in linears)
        {
            var name = ModelNames.At(_patterns[slot.Path], slot.Block);
            if (states.TryGetValue(slot.Path, out var state))
            {
                content.Add(name, state);
                quantized.Add(name);
            }
            else
                content.AddDense(name, (slot.Linear as TransformedLinear)?.Transform, declared.Contains(name + ModelNames.Bias) ? null : slot.Linear.Bias);
        }

        foreach (var weight in weights.Where(w => w.Spec.TiedTo is null && !(w.Layer is Linear && quantized.Contains(ModelNames.Stem(w.Spec.Name)))))
        {
            if (weight.Streamed is { } rows)
            {
                content.Add(weight.Spec, rows, weight.Type);
                continue;
            }

            var parameter = weight.Parameter ?? throw new InvalidOperationException($"'{weight.Spec.Name}' is neither a plain weight nor among the quantized ones.");
            content.Add(weight.Spec, parameter.Value, weight.Spec.Shape.Count > 1 ? weight.Type : ScalarType.Float32);
            if (weight.Layer is INorm { Bias: { } bias } && weight.Spec.Kind == TensorKind.Weight && !declared.Contains(ModelNames.Stem(weight.Spec.Name) + ModelNames.Bias))
                content.AddNormBias(ModelNames.Stem(weight.Spec.Name), bias);
        }
    }

    /// <summary>Puts codes in the place of the token embedding. A tied head that does not use them keeps the matrix, under its own name.</summary>
    private static List<StoredWeight> WithoutEmbedding(List<StoredWeight> weights, EmbeddingState embedding, PartContent content)
    {
        var matrix = weights.First(w => w.Layer is Embedding);
        content.Add(ModelNames.Stem(matrix.Spec.Name), embedding);
        return [.. weights.Where(w => w != matrix).Select(w => w.Spec.TiedTo == matrix.Spec.Name && !embedding.Format.TiedHead ? w with { Spec = w.Spec with { TiedTo = null } } : w)];
    }

    private void Write(int part, PartContent content, Manifest manifest)
    {
        var path = PathOf(part);
        var options = new CheckpointWriteOptions
        {
            MaxShardBytes = long.MaxValue,
            FileStem = Path.GetFileNameWithoutExtension(path),
            Metadata = new Dictionary<string, string> { ["format"] = "pt", [ManifestKey] = manifest.ToText() },
        };
        using var writer = CheckpointWriter.Create(_transaction.Folder, content.Tensors, options);
        content.WriteTo(writer);
        writer.Complete();
        _done.Add(part);
    }

    private void WriteConfig(Manifest manifest)
    {
        var matrix = _plan.Architecture.TensorsOf(_plan.Config).First(spec => spec.Shape.Count > 1);
        new CheckpointFolder(_plan.Architecture, _plan.Config, new SaveOptions()).WriteConfig(_transaction.Folder, ConfigReader.Load(_plan.Source), _plan.DenseType(matrix));
        var path = Path.Combine(_transaction.Folder, ConfigReader.FileName);
        var config = new ConfigWriter(ConfigReader.Load(path));
        var described = new JsonObject
        {
            ["quant_method"] = Manifest.Method,
            ["format_version"] = Manifest.Version,
            ["library_version"] = Manifest.LibraryVersion,
            ["recipe_name"] = _plan.Recipe.Name,
            ["recipe"] = JsonNode.Parse(RecipeFile.Canonical(_plan.Recipe)),
            ["recipe_hash"] = RecipeFile.Hash(_plan.Recipe),
            ["calibration_hash"] = _plan.CalibrationHash,
        };
        foreach (var (key, value) in manifest.ToJson())
            described[key] = value!.DeepClone();
        config.Set(QuantizedFormats.Key, described);
        config.Save(path);
    }

    private StoredWeight Stored(WeightSlot slot) => new(slot.Spec, slot.Parameter, slot.Layer, _plan.DenseType(slot.Spec));

    private string PathOf(int part) => Path.Combine(
        _transaction.Folder, string.Create(CultureInfo.InvariantCulture, $"model-{part + 2:00000}-of-{_plan.Blocks + 1:00000}.safetensors"));

    /// <summary>A plain weight and how it is stored.</summary>
    private sealed record StoredWeight(TensorSpec Spec, Parameter? Parameter, object Layer, ScalarType Type)
    {
        /// <summary>A matrix that is not in memory.</summary>
        public IWeightRows? Streamed => Spec.Kind != TensorKind.Weight ? null : Layer as StreamedLinear ?? (Layer as Embedding)?.Table as IWeightRows;
    }
}
