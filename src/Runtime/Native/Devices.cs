using TorchSharp;

namespace Generated.Native;

/// <summary>Names of devices, checked against what this machine has.</summary>
public static class Devices
{
    /// <summary>Reads <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    /// <returns>The device, initialised and usable.</returns>
    /// <exception cref="InvalidInputException">The name is unknown, or there is no such device; the message says what to do.</exception>
    public static torch.Device Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var parts = name.Trim().ToLowerInvariant().Split(':');
        var index = 0;
        if (parts.Length > 2 || (parts.Length == 2 && !int.TryParse(parts[1], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out index)))
            throw Unknown(name);
        switch (parts[0])
        {
            case "cpu" when index == 0:
                LibTorch.EnsureLoaded();
                return torch.CPU;
            case "cuda":
                CheckCuda(name, index);
                return torch.device(DeviceType.CUDA, index);
            default:
                throw Unknown(name);
        }
    }

    private static void CheckCuda(string name, int index)
    {
        LibTorch.EnsureLoaded();
        if (!torch.cuda.is_available())
            throw new InvalidInputException(HasCudaLibraries()
                ? $"Device '{name}' is not available: libtorch in {LibTorch.Folder} supports CUDA but found no usable GPU; check nvidia-smi, the driver's version and CUDA_VISIBLE_DEVICES, or use 'cpu'."
                : $"Device '{name}' is not available: libtorch in {LibTorch.Folder ?? "this application"} is built without CUDA; set {LibTorch.FolderVariable} to a PyTorch installation with CUDA or build with -p:TorchBackend=cuda, or use 'cpu'.");
        var count = torch.cuda.device_count();
        if (index >= count)
            throw new InvalidInputException($"Device '{name}' does not exist: this machine has {count} CUDA device(s), numbered from 0.");
    }

    private static bool HasCudaLibraries() => LibTorch.Folder is not { } folder || File.Exists(Path.Combine(folder, "libtorch_cuda.so"));

    private static InvalidInputException Unknown(string name) => new($"Device '{name}' is not known: use 'cpu', 'cuda' or 'cuda:N'.");
}
