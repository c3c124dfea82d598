using System.Buffers.Binary;
using System.Text.Json;
using Generated.Checkpoints.Storage;

namespace Generated.Checkpoints.Safetensors;

/// <summary>
/// The header of a safetensors file: 8 bytes of length, then JSON, then the tensors without gaps or overlaps up to the end of the file.
/// The limits and covering rules are those of the reference implementation (safetensors, validation of metadata).
/// </summary>
internal static class SafetensorsHeader
{
    public const int LengthBytes = 8;

    /// <summary>The reference implementation's limit; a larger header is refused before it is looked at.</summary>
    public const long LongestHeader = 100_000_000;

    private const string MetadataKey = "__metadata__";
    private const int DeepestJson = 8;

    /// <summary>What the header says, in the order of the data.</summary>
    public sealed record Contents(IReadOnlyList<StoredTensor> Tensors, IReadOnlyDictionary<string, string> Metadata);

    private readonly record struct Entry(TensorInfo Info, long Begin, long End);

    /// <summary>Reads and checks the header against the whole file.</summary>
    /// <exception cref="InvalidInputException">Anything in it is wrong; the message names the file and the tensor.</exception>
    public static Contents Parse(MappedFile file)
    {
        if (file.Length < LengthBytes)
            throw new InvalidInputException($"{file.Path} is no safetensors file: it has {file.Length} bytes.");
        var length = BinaryPrimitives.ReadUInt64LittleEndian(file.Span(0, LengthBytes));
        if (length > LongestHeader)
            throw new InvalidInputException($"{file.Path} is no safetensors file: its header would have {length} bytes.");
        if ((long)length > file.Length - LengthBytes)
            throw new InvalidInputException($"{file.Path} is truncated: its header has {length} bytes, the whole file {file.Length}.");
        var json = file.Span(LengthBytes, (int)length);
        if (json.IsEmpty || json[0] != '{')
            throw new InvalidInputException($"{file.Path} is no safetensors file: its header is not a JSON object.");

        var metadata = new SortedDictionary<string, string>(StringComparer.Ordinal);
        List<Entry> entries;
        try
        {
            entries = Entries(json, file.Path, metadata);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            // InvalidOperationException: a value of another kind than expected, or text that is not valid UTF-8.
            throw new InvalidInputException($"{file.Path} has a damaged safetensors header: {e.Message}", e);
        }

        return new Contents(Place(file, LengthBytes + (long)length, entries), metadata);
    }

    private static List<Entry> Entries(ReadOnlySpan<byte> json, string path, SortedDictionary<string, string> metadata)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = DeepestJson });
        var entries = new List<Entry>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            if (!names.Add(name))
                throw new InvalidInputException($"{path} names tensor {Describe.Name(name)} twice.");
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
                throw new InvalidInputException($"{path} describes tensor {Describe.Name(name)} by something that is not an object.");
            if (name == MetadataKey)
                ReadMetadata(ref reader, path, metadata);
            else
                entries.Add(ReadEntry(ref reader, path, name));
        }

        // Anything but spaces behind the closing brace makes this throw.
        reader.Read();
        return entries;
    }

    private static void ReadMetadata(ref Utf8JsonReader reader, string path, SortedDictionary<string, string> metadata)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            if (!metadata.TryAdd(key, reader.GetString() ?? ""))
                throw new InvalidInputException($"{path} holds metadata key {Describe.Name(key)} twice.");
        }
    }

    private static Entry ReadEntry(ref Utf8JsonReader reader, string path, string name)
    {
        string? dtypeName = null;
        List<long>? shape = null, offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            var seen = false;
            switch (key)
            {
                case "dtype": seen = dtypeName is not null; dtypeName = reader.GetString() ?? ""; break;
                case "shape": seen = shape is not null; shape = ReadSizes(ref reader, path, name); break;
                case "data_offsets": seen = offsets is not null; offsets = ReadSizes(ref reader, path, name); break;
                default: reader.Skip(); break;
            }

            if (seen)
                throw new InvalidInputException($"{path} gives '{key}' of tensor {Describe.Name(name)} twice.");
        }

        if (dtypeName is null || shape is null || offsets is not { Count: 2 })
        {
            throw new InvalidInputException(
                $"{path} describes tensor {Describe.Name(name)} without a dtype, a shape and two data_offsets.");
        }

        if (!DTypes.TryParseSafetensors(dtypeName, out var dtype))
        {
            throw new InvalidInputException(
                $"{path} holds tensor {Describe.Name(name)} in dtype {Describe.Name(dtypeName)}, which is not supported; "
                + $"supported are {string.Join(", ", Enum.GetValues<DType>().Select(known => known.SafetensorsName()))}.");
        }

        return new Entry(TensorInfo.Of(path, name, dtype, [.. shape]), offsets[0], offsets[1]);
    }

    private static List<long> ReadSizes(ref Utf8JsonReader reader, string path, string name)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw new InvalidInputException($"{path} gives a size of tensor {Describe.Name(name)} that is not a list.");
        var sizes = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var size) || size < 0)
                throw new InvalidInputException($"{path} gives a size of tensor {Describe.Name(name)} that is not a whole number from 0 to 2^63-1.");
            sizes.Add(size);
        }

        return sizes;
    }

    private static List<StoredTensor> Place(MappedFile file, long dataStart, List<Entry> entries)
    {
        entries.Sort((a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End.CompareTo(b.End));
        var available = file.Length - dataStart;
        var tensors = new List<StoredTensor>(entries.Count);
        long position = 0;
        foreach (var (info, begin, end) in entries)
        {
            if (begin != position || end < begin)
            {
                throw new InvalidInputException(
                    $"{file.Path} places tensor {info} at bytes {begin} to {end} of the data, where byte {position} is next; "
                    + "the file is damaged (gap or overlap).");
            }

            if (end - begin != info.ByteCount)
            {
                throw new InvalidInputException(
                    $"{file.Path} reserves {end - begin} bytes for tensor {info}, which needs {info.ByteCount}.");
            }

            if (end > available)
            {
                throw new InvalidInputException(
                    $"{file.Path} is truncated: tensor {info} ends at byte {end} of the data, of which {available} are there; fetch the file again.");
            }

            position = end;
            var storage = new MappedStorage(file, dataStart + begin, info.ByteCount);
            tensors.Add(new StoredTensor(info, storage, 0, StoredTensor.RowMajor(info.Shape), file.Path));
        }

        if (position != available)
        {
            throw new InvalidInputException(
                $"{file.Path} is damaged: its tensors cover {position} bytes of data, but {available} are there.");
        }

        return tensors;
    }
}
