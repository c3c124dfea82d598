using System.Security.Cryptography;
using System.Text;
using Generated.Checkpoints.Writing;

namespace Generated.Quant.Pipeline;

/// <summary>Files that end with the SHA-256 of what is before, so that a damaged one is never taken for a whole one.</summary>
internal static class HashedFile
{
    /// <summary>Writes a file as a whole.</summary>
    /// <exception cref="GeneratedException">It cannot be written.</exception>
    public static void Write(string path, Action<BinaryWriter> content)
    {
        using var buffer = new MemoryStream();
        using (var writer = new BinaryWriter(buffer, Encoding.UTF8, leaveOpen: true))
            content(writer);
        buffer.Write(SHA256.HashData(buffer.GetBuffer().AsSpan(0, (int)buffer.Length)));
        AtomicFile.WriteAllBytes(path, buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
    }

    /// <summary>Reads a file.</summary>
    /// <returns>Null where there is none, or it is damaged.</returns>
    public static T? Read<T>(string path, Func<BinaryReader, T> content)
        where T : class
    {
        try
        {
            var bytes = File.ReadAllBytes(path);
            var end = bytes.Length - SHA256.HashSizeInBytes;
            if (end < 0 || !SHA256.HashData(bytes.AsSpan(0, end)).AsSpan().SequenceEqual(bytes.AsSpan(end)))
                return null;
            using var reader = new BinaryReader(new MemoryStream(bytes, 0, end, writable: false), Encoding.UTF8);
            return content(reader);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidInputException)
        {
            return null;
        }
    }
}
