using System.Security.Cryptography;
using System.Text.Json;
using Generated.Checkpoints;

namespace Cli.Tests;

/// <summary>Tensors of checkpoints, compared byte by byte.</summary>
internal static class Tensors
{
    /// <summary>Type, shape and hash of every tensor of a checkpoint folder or file, by name.</summary>
    public static SortedDictionary<string, string> Of(string path)
    {
        using var checkpoint = Checkpoint.Open(path);
        return new(checkpoint.Tensors.Values.ToDictionary(info => info.Name, info => Entry(checkpoint, info)), StringComparer.Ordinal);
    }

    /// <summary>The same of a list of hashes made from PaddleNLP's file: tests/fixtures/NAME.paddle/tensors.json.</summary>
    public static SortedDictionary<string, string> Recorded(string path)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        return new(
            document.RootElement.EnumerateObject().ToDictionary(
                tensor => tensor.Name,
                tensor => Entry(tensor.Value.GetProperty("dtype").GetString()!, tensor.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()), tensor.Value.GetProperty("sha256").GetString()!)),
            StringComparer.Ordinal);
    }

    private static string Entry(Checkpoint checkpoint, TensorInfo info) =>
        Entry(info.DType.SafetensorsName(), info.Shape, Convert.ToHexStringLower(SHA256.HashData(checkpoint.ReadBytes(info.Name))));

    private static string Entry(string dtype, IEnumerable<long> shape, string hash) => $"{dtype} [{string.Join(", ", shape)}] {hash}";
}
