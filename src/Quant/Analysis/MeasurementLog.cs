using System.Text;
using System.Text.Json;

namespace Generated.Quant.Analysis;

/// <summary>
/// Measurements in a JSONL file, appended and flushed one by one, so that an analysis that was interrupted goes on where it stopped.
/// The file is named after what is measured: another question does not find the answers of this one.
/// </summary>
internal sealed class MeasurementLog : IDisposable
{
    private const int NameLetters = 12;
    private readonly Dictionary<string, double> _values = new(StringComparer.Ordinal);
    private readonly FileStream _file;

    private MeasurementLog(string path)
    {
        Path = path;
        try
        {
            _file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new GeneratedException($"{path} cannot be written, or another analysis is writing it: {e.Message}", e);
        }

        try
        {
            Read();
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Measurements known.</summary>
    public int Count => _values.Count;

    /// <summary>Opens the measurements of a question in a folder, or begins them.</summary>
    /// <param name="folder">The folder; it exists.</param>
    /// <param name="fingerprint">Hash of everything that a measurement depends on.</param>
    /// <exception cref="GeneratedException">The file cannot be written.</exception>
    /// <exception cref="InvalidInputException">A line that is not the last one is damaged.</exception>
    public static MeasurementLog Open(string folder, string fingerprint) => new(System.IO.Path.Combine(folder, $"measurements.{fingerprint[..NameLetters]}.jsonl"));

    /// <summary>A measurement; null where it was not made.</summary>
    /// <param name="kind">What the layers mean.</param>
    /// <param name="layers">In any order.</param>
    public double? Find(string kind, IReadOnlyList<string> layers) => _values.TryGetValue(Key(kind, layers), out var value) ? value : null;

    /// <summary>Keeps a measurement; it is on the disk afterwards.</summary>
    public void Add(string kind, IReadOnlyList<string> layers, double value)
    {
        _values[Key(kind, layers)] = value;
        var line = JsonSerializer.SerializeToUtf8Bytes(new Measurement(kind, [.. layers], value), AnalysisJson.Line.Measurement);
        _file.Write([.. line, (byte)'\n']);
        _file.Flush(flushToDisk: true);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static string Key(string kind, IEnumerable<string> layers) => $"{kind} {string.Join(' ', layers.Order(StringComparer.Ordinal))}";

    private void Read()
    {
        var bytes = new byte[_file.Length];
        _file.ReadExactly(bytes);
        // A line without its end was being written when the run was stopped.
        var length = Array.LastIndexOf(bytes, (byte)'\n') + 1;
        _file.SetLength(length);
        var number = 0;
        foreach (var line in Encoding.UTF8.GetString(bytes, 0, length).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            number++;
            if (Parse(line) is not { Kind: not null, Layers: not null } read)
                throw new InvalidInputException($"{Path}, line {number}: it is no measurement; remove the file to measure again.");
            _values[Key(read.Kind, read.Layers)] = read.Metric;
        }
    }

    private static Measurement? Parse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, AnalysisJson.Line.Measurement);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>A line of a <see cref="MeasurementLog"/>.</summary>
/// <param name="Kind">What the layers mean.</param>
/// <param name="Layers">Layers as recipes write them.</param>
/// <param name="Metric">The metric.</param>
internal sealed record Measurement(string Kind, IReadOnlyList<string> Layers, double Metric);
