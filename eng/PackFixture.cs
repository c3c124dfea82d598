// Makes a recorded file of tests/fixtures small without losing a byte of it (tests/fixtures/README.md):
//   dotnet run eng/PackFixture.cs FILE                       -> FILE.gz
//   dotnet run eng/PackFixture.cs FILE MODEL.safetensors     -> FILE.pieces.json, FILE.rest: the same weights in another encoding
// Delete FILE itself afterwards; tests/Shared/RecordedFixtures.cs puts it together again and checks its hash.
#:property RestorePackagesWithLockFile=false
using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;

const int SmallestPiece = 128;
if (args.Length is 0 or > 2)
{
    Console.Error.WriteLine("usage: dotnet run eng/PackFixture.cs FILE [MODEL.safetensors]");
    return 2;
}

var file = File.ReadAllBytes(args[0]);
if (args.Length == 1)
{
    using var compressed = new GZipStream(File.Create(args[0] + ".gz"), CompressionLevel.SmallestSize);
    compressed.Write(file);
    return 0;
}

var model = File.ReadAllBytes(args[1]);
var headerLength = (int)BinaryPrimitives.ReadInt64LittleEndian(model);
using var header = JsonDocument.Parse(model.AsMemory(8, headerLength));
var pieces = new List<(int Offset, int Length, string Tensor, string Form)>();
foreach (var tensor in header.RootElement.EnumerateObject().Where(t => t.Name != "__metadata__"))
{
    var (begin, end) = (tensor.Value.GetProperty("data_offsets")[0].GetInt32(), tensor.Value.GetProperty("data_offsets")[1].GetInt32());
    var shape = tensor.Value.GetProperty("shape").EnumerateArray().Select(d => d.GetInt32()).ToArray();
    foreach (var form in new[] { "F32", "F32 transposed", "F16", "BF16" })
    {
        if (form == "F32 transposed" && shape.Length != 2)
            continue;
        var bytes = Encode(MemoryMarshal.Cast<byte, float>(model.AsSpan(8 + headerLength + begin, end - begin)), shape, form);
        if (bytes.Length < SmallestPiece)
            continue;
        // A tied matrix may be there twice.
        for (var from = 0; file.AsSpan(from).IndexOf(bytes) is var found and >= 0; from += found + bytes.Length)
        {
            var offset = from + found;
            if (!pieces.Any(p => offset < p.Offset + p.Length && p.Offset < offset + bytes.Length))
                pieces.Add((offset, bytes.Length, tensor.Name, form));
        }
    }
}

pieces.Sort();
using (var rest = File.Create(args[0] + ".rest"))
{
    var position = 0;
    foreach (var piece in pieces.Append((Offset: file.Length, Length: 0, Tensor: "", Form: "")))
    {
        rest.Write(file, position, piece.Offset - position);
        position = piece.Offset + piece.Length;
    }
}

using var manifest = new Utf8JsonWriter(File.Create(args[0] + ".pieces.json"), new JsonWriterOptions { Indented = true, IndentSize = 1 });
manifest.WriteStartObject();
manifest.WriteString("from", Path.GetRelativePath(Path.GetDirectoryName(Path.GetFullPath(args[0]))!, Path.GetFullPath(args[1])).Replace('\\', '/'));
manifest.WriteNumber("length", file.Length);
manifest.WriteString("sha256", Convert.ToHexStringLower(SHA256.HashData(file)));
manifest.WriteStartArray("pieces");
foreach (var (offset, _, tensor, form) in pieces)
{
    manifest.WriteStartObject();
    manifest.WriteNumber("offset", offset);
    manifest.WriteString("tensor", tensor);
    manifest.WriteString("form", form);
    manifest.WriteEndObject();
}
manifest.WriteEndArray();
manifest.WriteEndObject();
return 0;

static byte[] Encode(ReadOnlySpan<float> values, int[] shape, string form)
{
    var width = form.StartsWith("F32", StringComparison.Ordinal) ? 4 : 2;
    var bytes = new byte[values.Length * width];
    for (var i = 0; i < values.Length; i++)
    {
        // Element i of the other form: of a transposed matrix, the one in row i % rows.
        var value = form == "F32 transposed" ? values[(i % shape[0] * shape[1]) + (i / shape[0])] : values[i];
        var bits = BitConverter.SingleToUInt32Bits(value);
        switch (form)
        {
            case "F16":
                BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(2 * i), (Half)value);
                break;
            case "BF16":
                BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2 * i), (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
                break;
            default:
                BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(4 * i), value);
                break;
        }
    }

    return bytes;
}
