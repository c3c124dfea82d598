using Generated.Checkpoints.Storage;

namespace Generated.Checkpoints.Safetensors;

/// <summary>Opens single safetensors files. Checkpoint folders are opened by <see cref="Checkpoint.Open"/>.</summary>
public static class SafetensorsFile
{
    /// <summary>Maps a safetensors file and checks its header; tensor data is read on demand.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidInputException">The file is missing, truncated, damaged or of an unknown dtype.</exception>
    public static ITensorSource Open(string path) => Read(MappedFile.Open(path));

    internal static TensorFile Read(MappedFile file)
    {
        try
        {
            var (tensors, metadata) = SafetensorsHeader.Parse(file);
            // numpy has no bfloat16: files that Paddle wrote hold it as 16-bit integers, which no Paddle parameter is.
            if (metadata.GetValueOrDefault("format") == "np")
                tensors = [.. tensors.Select(tensor => AsBFloat16(tensor, file.Path))];
            return new TensorFile(file, tensors, metadata);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static StoredTensor AsBFloat16(StoredTensor tensor, string path) =>
        tensor.Info.DType == DType.U16
            ? tensor.As(new TensorInfo(tensor.Info.Name, DType.BF16, [.. tensor.Info.Shape]), path)
            : tensor;
}
