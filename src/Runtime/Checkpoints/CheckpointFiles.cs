using System.Globalization;
using System.Text.RegularExpressions;

namespace Generated.Checkpoints;

/// <summary>The files that make up a checkpoint.</summary>
/// <param name="Files">Paths, in a stable order.</param>
/// <param name="Index">The index, where there is one.</param>
/// <param name="AreRanks">Whether each file is one tensor-parallel rank.</param>
internal sealed partial record CheckpointFiles(IReadOnlyList<string> Files, ShardIndex? Index = null, bool AreRanks = false)
{
    /// <summary>In order of preference, where a folder holds several.</summary>
    private static readonly string[] SingleFiles = ["model.safetensors", "pytorch_model.bin", "model_state.pdparams"];

    /// <summary>Finds the files of a checkpoint folder, or of one file of it.</summary>
    /// <exception cref="InvalidInputException">There is none, or a file that an index names is missing.</exception>
    public static CheckpointFiles Find(string path)
    {
        if (File.Exists(path))
            return path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) ? FromIndex(path) : new CheckpointFiles([path]);
        if (!Directory.Exists(path))
            throw new InvalidInputException($"{path} does not exist.");

        foreach (var name in SingleFiles)
        {
            if (File.Exists(Path.Combine(path, name)))
                return new CheckpointFiles([Path.Combine(path, name)]);
            if (File.Exists(Path.Combine(path, name + ".index.json")))
                return FromIndex(Path.Combine(path, name + ".index.json"));
        }

        var indexes = Directory.GetFiles(path, "*.safetensors.index.json");
        if (indexes.Length == 1)
            return FromIndex(indexes[0]);
        return FindRanks(path) ?? throw NothingIn(path);
    }

    private static CheckpointFiles FromIndex(string path)
    {
        var index = ShardIndex.Load(path);
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var names = index.Files.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        var missing = names.Where(name => !File.Exists(Path.Combine(folder, name))).ToList();
        if (missing.Count > 0)
            throw new InvalidInputException($"{path} names files that are not in its folder: {Describe.Names(missing)}; fetch them or the index again.");
        return new CheckpointFiles([.. names.Select(name => Path.Combine(folder, name))], index);
    }

    private static CheckpointFiles? FindRanks(string folder)
    {
        var ranks = new SortedDictionary<int, string>();
        foreach (var file in Directory.EnumerateFiles(folder, "model_state.tp*.pdparams"))
        {
            var match = RankFile().Match(Path.GetFileName(file));
            if (match.Success && !ranks.TryAdd(int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture), file))
                throw new InvalidInputException($"{folder} holds tensor-parallel rank {match.Groups[1].Value} twice.");
        }

        if (ranks.Count == 0)
            return null;
        var degree = Math.Max(ranks.Keys.Last() + 1, LayoutDetection.TensorParallelDegree(folder) ?? 0);
        if (ranks.Count != degree)
        {
            var first = Enumerable.Range(0, degree).First(rank => !ranks.ContainsKey(rank));
            throw new InvalidInputException($"{folder} lacks model_state.tp{first:00}.pdparams: {ranks.Count} of {degree} tensor-parallel ranks are there.");
        }

        return new CheckpointFiles([.. ranks.Values], AreRanks: true);
    }

    private static InvalidInputException NothingIn(string folder)
    {
        var shard = Directory.EnumerateFiles(folder)
            .Select(Path.GetFileName)
            .FirstOrDefault(name => ShardFile().IsMatch(name!));
        return shard is null
            ? new InvalidInputException(
                $"{folder} holds no checkpoint: neither model.safetensors, pytorch_model.bin nor model_state.pdparams, single or with an index.")
            : new InvalidInputException($"{folder} holds {shard} but no index ({ShardFile().Replace(shard, "$1$2.index.json")}); fetch the index too.");
    }

    [GeneratedRegex(@"^model_state\.tp(\d{1,4})\.pdparams$")]
    private static partial Regex RankFile();

    [GeneratedRegex(@"^(model|pytorch_model|model_state)-\d+-of-\d+(\.safetensors|\.bin|\.pdparams)$")]
    private static partial Regex ShardFile();
}
