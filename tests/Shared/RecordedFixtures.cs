using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;

/// <summary>
/// The recorded files as their originals wrote them. The repository holds some of them compressed, and what repeats a model's weights in
/// another encoding as its difference to that model (tests/fixtures/README.md): here each is byte for byte what was recorded.
/// </summary>
internal static class RecordedFixtures
{
    private const string Compressed = ".gz", Pieces = ".pieces.json", Rest = ".rest";

    private static readonly Lazy<string> _root = new(Unpack);

    /// <summary>The folder of all fixtures, in the test's output folder.</summary>
    internal static string Root => _root.Value;

    /// <summary>tests/fixtures of the checkout.</summary>
    internal static string Stored { get; } = Path.Combine(Checkout(), "tests", "fixtures");

    private static string Unpack()
    {
        var root = Path.Combine(AppContext.BaseDirectory, "fixtures");
        foreach (var stored in Directory.EnumerateFiles(Stored, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(root, Path.GetRelativePath(Stored, stored));
            if (stored.EndsWith(Rest, StringComparison.Ordinal))
                continue;
            if (stored.EndsWith(Compressed, StringComparison.Ordinal))
                Write(stored, target[..^Compressed.Length], Decompress);
            else if (stored.EndsWith(Pieces, StringComparison.Ordinal))
                Write(stored, target[..^Pieces.Length], Assemble);
            else
                Write(stored, target, File.ReadAllBytes);
        }

        return root;
    }

    /// <summary>Writes a file that is not there or is older, beside and renamed: test processes may unpack at the same time.</summary>
    private static void Write(string stored, string target, Func<string, byte[]> read)
    {
        var time = File.GetLastWriteTimeUtc(stored);
        if (File.Exists(target) && File.GetLastWriteTimeUtc(target) == time)
            return;
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        var beside = $"{target}.{Environment.ProcessId}";
        File.WriteAllBytes(beside, read(stored));
        File.SetLastWriteTimeUtc(beside, time);
        File.Move(beside, target, overwrite: true);
    }

    private static byte[] Decompress(string stored)
    {
        using var compressed = new GZipStream(File.OpenRead(stored), CompressionMode.Decompress);
        using var bytes = new MemoryStream();
        compressed.CopyTo(bytes);
        return bytes.ToArray();
    }

    /// <summary>Puts a file together from another model's tensors and the bytes between them.</summary>
    private static byte[] Assemble(string stored)
    {
        using var manifest = JsonDocument.Parse(File.ReadAllBytes(stored));
        var model = new Model(File.ReadAllBytes(Path.Combine(Path.GetDirectoryName(stored)!, manifest.RootElement.GetProperty("from").GetString()!)));
        var rest = File.ReadAllBytes(stored[..^Pieces.Length] + Rest).AsSpan();
        var bytes = new byte[manifest.RootElement.GetProperty("length").GetInt32()];
        var position = 0;
        foreach (var piece in manifest.RootElement.GetProperty("pieces").EnumerateArray())
        {
            var offset = piece.GetProperty("offset").GetInt32();
            rest[..(offset - position)].CopyTo(bytes.AsSpan(position));
            rest = rest[(offset - position)..];
            position = offset + model.Write(piece.GetProperty("tensor").GetString()!, piece.GetProperty("form").GetString()!, bytes.AsSpan(offset));
        }

        rest.CopyTo(bytes.AsSpan(position));
        if (Convert.ToHexStringLower(SHA256.HashData(bytes)) != manifest.RootElement.GetProperty("sha256").GetString())
            throw new InvalidDataException($"{stored} does not give the recorded file.");
        return bytes;
    }

    private static string Checkout()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Generated.sln")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("The tests run outside the repository.");
    }

    /// <summary>The float32 tensors of a safetensors file, read without the project's own reader.</summary>
    private sealed class Model
    {
        private readonly byte[] _file;
        private readonly JsonElement _header;
        private readonly int _start;

        internal Model(byte[] file)
        {
            _file = file;
            _start = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(file);
            _header = JsonSerializer.Deserialize<JsonElement>(file.AsSpan(8, _start - 8));
        }

        /// <summary>Writes a tensor in a form, and returns the number of its bytes.</summary>
        internal int Write(string name, string form, Span<byte> destination)
        {
            var tensor = _header.GetProperty(name);
            var shape = tensor.GetProperty("shape").EnumerateArray().Select(d => d.GetInt32()).ToArray();
            var offsets = tensor.GetProperty("data_offsets");
            var values = MemoryMarshal.Cast<byte, float>(_file.AsSpan((_start + offsets[0].GetInt32())..(_start + offsets[1].GetInt32())));
            for (var i = 0; i < values.Length; i++)
            {
                switch (form)
                {
                    case "F32":
                        BinaryPrimitives.WriteSingleLittleEndian(destination[(4 * i)..], values[i]);
                        break;
                    case "F32 transposed":
                        BinaryPrimitives.WriteSingleLittleEndian(destination[(4 * i)..], values[(i % shape[0] * shape[1]) + (i / shape[0])]);
                        break;
                    case "F16":
                        BinaryPrimitives.WriteHalfLittleEndian(destination[(2 * i)..], (Half)values[i]);
                        break;
                    case "BF16": // rounded to the nearest, ties to even
                        var bits = BitConverter.SingleToUInt32Bits(values[i]);
                        BinaryPrimitives.WriteUInt16LittleEndian(destination[(2 * i)..], (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
                        break;
                    default:
                        throw new InvalidDataException($"no form {form}");
                }
            }

            return values.Length * (form.StartsWith("F32", StringComparison.Ordinal) ? 4 : 2);
        }
    }
}
