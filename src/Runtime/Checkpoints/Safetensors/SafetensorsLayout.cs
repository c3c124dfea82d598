using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using Generated.Checkpoints.Writing;

namespace Generated.Checkpoints.Safetensors;

/// <summary>
/// Lays out a safetensors file as the reference implementation does (data by descending dtype and name, header padded to 8 bytes
/// with spaces), so that every tensor is aligned to its element size and equal content gives equal bytes.
/// </summary>
internal static class SafetensorsLayout
{
    private const int Alignment = 8;

    public static FileLayout Create(IEnumerable<TensorInfo> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        // Paddle reads files of its own layout through numpy, which has no bfloat16: it is stored as 16-bit integers, as Paddle does.
        var isNumpy = metadata.GetValueOrDefault("format") == "np";
        DType Stored(TensorInfo tensor) => isNumpy && tensor.DType == DType.BF16 ? DType.U16 : tensor.DType;
        var ordered = tensors.OrderByDescending(Stored).ThenBy(tensor => tensor.Name, StringComparer.Ordinal).ToList();
        var layout = new FileLayout();
        layout.Append(Header(ordered, Stored, metadata));
        foreach (var tensor in ordered)
            layout.Append(tensor);
        return layout;
    }

    private static byte[] Header(List<TensorInfo> tensors, Func<TensorInfo, DType> stored, IReadOnlyDictionary<string, string> metadata)
    {
        var json = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(json, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            if (metadata.Count > 0)
            {
                writer.WriteStartObject("__metadata__"u8);
                foreach (var (key, value) in metadata.OrderBy(entry => entry.Key, StringComparer.Ordinal))
                    writer.WriteString(key, value);
                writer.WriteEndObject();
            }

            long offset = 0;
            foreach (var tensor in tensors)
            {
                if (tensor.Name == "__metadata__")
                    throw new InvalidInputException("No tensor can be named '__metadata__' in a safetensors file.");
                writer.WriteStartObject(tensor.Name);
                writer.WriteString("dtype"u8, stored(tensor).SafetensorsName());
                writer.WriteStartArray("shape"u8);
                foreach (var size in tensor.Shape)
                    writer.WriteNumberValue(size);
                writer.WriteEndArray();
                writer.WriteStartArray("data_offsets"u8);
                writer.WriteNumberValue(offset);
                writer.WriteNumberValue(offset += tensor.ByteCount);
                writer.WriteEndArray();
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        var length = (json.WrittenCount + Alignment - 1) / Alignment * Alignment;
        if (length > SafetensorsHeader.LongestHeader)
            throw new InvalidInputException($"A safetensors file cannot hold {tensors.Count} tensors with names this long; use smaller shards.");
        var header = new byte[SafetensorsHeader.LengthBytes + length];
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)length);
        json.WrittenSpan.CopyTo(header.AsSpan(SafetensorsHeader.LengthBytes));
        header.AsSpan(SafetensorsHeader.LengthBytes + json.WrittenCount).Fill((byte)' ');
        return header;
    }
}
