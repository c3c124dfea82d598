using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Generated.Checkpoints.Writing;
using Generated.Configuration;
using Generated.Loading;
using Generated.Quant.Calibration;
using Generated.Quant.Formats;
using Generated.Quant.Recipes;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>
/// Statistics of a model's exact values on calibration tokens, kept in a folder so that another recipe need not take them again. They
/// depend on the contents of the model's files, the tokens, how these are batched, the device and this library's version: all of
/// them are in the name of the subfolder, and what was taken of anything else is not seen.
/// </summary>
internal sealed class StatisticsStore
{
    private const int Version = 2;
    private const string Description = "statistics.json";
    private readonly string _folder;
    private readonly int _units;

    private StatisticsStore(string folder, int units, CalibrationNeeds needs) =>
        (_folder, _units, Kinds, CacheKinds) = (folder, units, needs.Kinds, Union([ActivationObserver.AbsMax, ActivationObserver.Average], needs.CacheKinds));

    /// <summary>Observers of cached keys and values whose thresholds are kept: the cheap ones always, others where they are asked for.</summary>
    public IReadOnlyList<ActivationObserver> CacheKinds { get; private set; }

    /// <summary>Observers of static scales whose thresholds are kept beside the statistics.</summary>
    public IReadOnlyList<ActivationObserver> Kinds { get; private set; }

    /// <summary>Whether everything that the recipe needs is there.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>What the folder was good for, in a sentence.</summary>
    public string Remark { get; private set; } = "";

    /// <summary>Opens a folder.</summary>
    /// <param name="folder">It is created where it is missing; statistics of several models and texts may be in one.</param>
    /// <param name="model">The model.</param>
    /// <param name="set">The calibration tokens.</param>
    /// <param name="tokensPerBatch">How they are batched.</param>
    /// <param name="device">Where units compute.</param>
    /// <param name="needs">What the recipe wants to see.</param>
    /// <exception cref="InvalidInputException">The folder is a file.</exception>
    /// <exception cref="GeneratedException">It cannot be written.</exception>
    public static StatisticsStore Open(string folder, StreamedModel model, CalibrationSet set, int tokensPerBatch, Device device, CalibrationNeeds needs)
    {
        if (File.Exists(folder))
            throw new InvalidInputException($"{folder} is a file; name a folder for statistics.");
        var description = new JsonObject
        {
            ["format_version"] = Version,
            ["library_version"] = Manifest.LibraryVersion,
            ["model_sha256"] = HashOf(model),
            ["calibration_hash"] = set.Hash,
            ["tokens_per_batch"] = tokensPerBatch,
            ["device"] = device.type.ToString(),
        }.ToJsonString();
        var own = Path.Combine(Path.GetFullPath(folder), Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(description)))[..32]);
        try
        {
            Directory.CreateDirectory(own);
            AtomicFile.WriteAllBytes(Path.Combine(own, Description), Encoding.UTF8.GetBytes(description + "\n"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new GeneratedException($"{folder} cannot be used for statistics: {e.Message}", e);
        }

        var store = new StatisticsStore(own, model.BlockCount + 2, needs);
        store.Check(folder, needs);
        return store;
    }

    /// <summary>What is kept of a unit; the caller's.</summary>
    /// <exception cref="GeneratedException">It is gone or damaged, though it was there.</exception>
    public SavedUnit Load(int unit, Device device) => HashedFile.Read(PathOf(unit), reader => SavedUnit.Read(reader, device))
        ?? throw new GeneratedException($"{PathOf(unit)}, statistics that were there when the run began, is gone or damaged; run it again to take them anew.");

    /// <summary>Keeps what was seen of a unit.</summary>
    public void Save(int unit, Observation seen, UnitPrompt prompt)
    {
        var (row, _) = prompt.FirstRow();
        using (row)
            HashedFile.Write(PathOf(unit), writer => SavedUnit.Write(writer, seen, row, new SavedKinds(Kinds, CacheKinds)));
    }

    /// <summary>The exact model's perplexity on held-out tokens; null where it is not known.</summary>
    public double? Perplexity(CalibrationSet heldOut) => HashedFile.Read(PathOf(heldOut), reader => reader.ReadString() == heldOut.Hash ? new[] { reader.ReadDouble() } : [])
        is [var perplexity] ? perplexity : null;

    /// <summary>Keeps the exact model's perplexity on held-out tokens.</summary>
    public void SavePerplexity(CalibrationSet heldOut, double perplexity) => HashedFile.Write(PathOf(heldOut), writer =>
    {
        writer.Write(heldOut.Hash);
        writer.Write(perplexity);
    });

    /// <summary>Finds out what is there. Every file is read once, so that damage shows before the work begins.</summary>
    private void Check(string folder, CalibrationNeeds needs)
    {
        if (!needs.SeesExact)
        {
            Remark = $"The recipe sees nothing but values behind quantized blocks, which depend on the recipe: no statistics are taken from {folder} or kept there.";
            return;
        }

        if (!Enumerable.Range(0, _units).Any(unit => File.Exists(PathOf(unit))))
        {
            Remark = $"{folder} has no statistics of this model on these tokens; they are taken and kept there.";
            return;
        }

        var kinds = Enumerable.Range(0, _units).Select(unit => HashedFile.Read(PathOf(unit), SavedUnit.ReadKinds)).ToList();
        var unread = kinds.FindIndex(found => found is null);
        var missing = Kinds.Where(kind => kinds.Any(found => found?.Sites.Contains(kind) == false))
            .Union(CacheKinds.Where(kind => kinds.Any(found => found?.Cache.Contains(kind) == false))).ToList();
        if (unread >= 0)
            Remark = $"{PathOf(unread)} is {(File.Exists(PathOf(unread)) ? "damaged" : "missing")}; statistics are taken anew and kept in {folder}.";
        else if (missing.Count > 0)
            Remark = $"The statistics in {folder} lack thresholds by {string.Join(" and ", missing.Select(k => k.ToString().ToLowerInvariant()))}; they are taken anew and kept there.";
        else
        {
            (IsComplete, Remark) = (true, $"Statistics of {folder} are used; none are taken.");
            return;
        }

        // What others have asked for stays.
        Kinds = Union(Kinds, kinds.SelectMany(found => found?.Sites ?? []));
        CacheKinds = Union(CacheKinds, kinds.SelectMany(found => found?.Cache ?? []));
    }

    private static IReadOnlyList<ActivationObserver> Union(IEnumerable<ActivationObserver> kinds, IEnumerable<ActivationObserver> more) =>
        [.. kinds.Union(more).Where(Enum.IsDefined).Order()];

    private string PathOf(int unit) => Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"unit.{unit:00000}.bin"));

    private string PathOf(CalibrationSet heldOut) => Path.Combine(_folder, $"perplexity.{heldOut.Hash[..16]}.bin");

    /// <summary>The SHA-256 of what the model is: config and weights, by content.</summary>
    private static string HashOf(StreamedModel model)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        foreach (var path in model.Files.Append(Path.Combine(model.Directory, ConfigReader.FileName)).Distinct().Order(StringComparer.Ordinal))
        {
            using var file = File.OpenRead(path);
            hash.AppendData(BitConverter.GetBytes(file.Length));
            for (int count; (count = file.Read(buffer)) > 0;)
                hash.AppendData(buffer, 0, count);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
