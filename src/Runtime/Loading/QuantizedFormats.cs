using Generated.Configuration;

namespace Generated.Loading;

/// <summary>A form in which checkpoints keep quantized weights.</summary>
public interface IQuantizedFormat
{
    /// <summary>The <c>quant_method</c> that config.json names it by.</summary>
    string Method { get; }

    /// <summary>Loads a checkpoint folder, weights packed as they are.</summary>
    /// <param name="directory">The folder.</param>
    /// <param name="config">Its config.json.</param>
    /// <param name="options">Type, device, group.</param>
    /// <param name="cancellation">Stops between two tensors.</param>
    /// <exception cref="InvalidInputException">The folder is incomplete, damaged, or of a version or kind that this one does not know.</exception>
    LoadedModel Load(string directory, ConfigReader config, LoadOptions options, CancellationToken cancellation);

    /// <summary>Checks that a folder's tensors are those of the model and of the quantization that its config describes, reading names and shapes only.</summary>
    /// <exception cref="InvalidInputException">They are not.</exception>
    WeightFiles Check(string directory, ConfigReader config);
}

/// <summary>The quantized formats known to the process; packages that read them register theirs.</summary>
public static class QuantizedFormats
{
    /// <summary>The key of config.json under which quantization is described.</summary>
    public const string Key = "quantization_config";

    private static readonly Lock Gate = new();
    private static readonly Dictionary<string, IQuantizedFormat> Known = new(StringComparer.Ordinal);

    /// <summary>Adds formats; one of a method that is known already is replaced.</summary>
    public static void Register(params IEnumerable<IQuantizedFormat> formats)
    {
        ArgumentNullException.ThrowIfNull(formats);
        lock (Gate)
        {
            foreach (var format in formats)
                Known[format.Method] = format;
        }
    }

    /// <summary>The format of a checkpoint; null where its weights are not quantized.</summary>
    /// <exception cref="InvalidInputException">They are, in a way that is not known.</exception>
    public static IQuantizedFormat? Find(ConfigReader config)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (config.Object(Key) is not { } described)
            return null;
        var method = described.String("quant_method");
        lock (Gate)
        {
            if (Known.TryGetValue(method, out var format))
                return format;
            throw new InvalidInputException(Known.Count == 0
                ? $"{config.Location}: the weights are quantized ('{method}'); reference Generated.Quant and register its formats to load them."
                : $"{config.Location}: quant_method '{method}' is not known; known are {string.Join(", ", Known.Keys.Order(StringComparer.Ordinal))}.");
        }
    }
}
