using Generated.Loading;
using Generated.Quant.Formats.Exchange;

namespace Generated.Quant.Formats;

/// <summary>Loads quantized checkpoints in one call: the own format, and the layouts of GPTQ and AWQ.</summary>
public static class QuantizedLoader
{
    /// <summary>Makes <see cref="ModelLoader"/> take quantized folders, so that everything that loads a model does.</summary>
    public static void Register() => QuantizedFormats.Register(new GeneratedFormat(), new ExchangeFormat(new GptqLayout()), new ExchangeFormat(new AwqLayout()));

    /// <summary>Loads a checkpoint folder, quantized or not. Weights stay packed; nothing is calibrated or computed again.</summary>
    /// <inheritdoc cref="ModelLoader.Load"/>
    public static LoadedModel Load(string directory, LoadOptions? options = null, CancellationToken cancellation = default)
    {
        Register();
        return ModelLoader.Load(directory, options, cancellation);
    }
}
