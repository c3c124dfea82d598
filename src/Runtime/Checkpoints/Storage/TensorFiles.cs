using Generated.Checkpoints.Paddle;
using Generated.Checkpoints.Safetensors;
using Generated.Checkpoints.Torch;

namespace Generated.Checkpoints.Storage;

/// <summary>Opens one file of tensors by what it contains, whatever its name.</summary>
internal static class TensorFiles
{
    private const int LongestMagic = 16;
    private const byte PickleProtocol = 0x80;

    private static ReadOnlySpan<byte> ZipMagic => "PK\u0003\u0004"u8;

    /// <exception cref="InvalidInputException">The file is missing, damaged or of no known format.</exception>
    public static TensorFile Open(string path, out CheckpointFormat format) => Read(MappedFile.Open(path), out format);

    /// <summary>Takes ownership of <paramref name="file"/>, also when it fails.</summary>
    public static TensorFile Read(MappedFile file, out CheckpointFormat format)
    {
        var start = file.Span(0, (int)Math.Min(file.Length, LongestMagic));
        if (start.StartsWith(ZipMagic))
        {
            format = CheckpointFormat.TorchPickle;
            return TorchFile.ReadZip(file);
        }

        if (TorchFile.IsLegacy(start))
        {
            format = CheckpointFormat.TorchPickle;
            return TorchFile.ReadLegacy(file);
        }

        // A pickle begins with its protocol, which can also be the length of a safetensors header.
        if (start.Length > 1 && start[0] == PickleProtocol && start[1] is >= 2 and <= 5 && !LooksLikeSafetensors(start))
        {
            format = CheckpointFormat.PaddlePickle;
            return PaddleFile.Read(file);
        }

        format = CheckpointFormat.Safetensors;
        return SafetensorsFile.Read(file);
    }

    /// <summary>A safetensors header of 640 bytes begins with 0x80 0x02 too, but zeros and JSON follow.</summary>
    private static bool LooksLikeSafetensors(ReadOnlySpan<byte> start) =>
        start.Length > SafetensorsHeader.LengthBytes && start[SafetensorsHeader.LengthBytes] == '{' && start[4..8].IndexOfAnyExcept((byte)0) < 0;
}
