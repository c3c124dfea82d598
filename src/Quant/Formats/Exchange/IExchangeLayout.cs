using System.Text.Json.Nodes;
using Generated.Checkpoints;
using Generated.Configuration;
using Generated.Quant.Weights;

namespace Generated.Quant.Formats.Exchange;

/// <summary>A layout of weight-only quantized linears that other libraries read and write.</summary>
internal interface IExchangeLayout
{
    /// <summary>Its name in <c>quant_method</c>.</summary>
    string Method { get; }

    /// <summary>Whether a head outside blocks can be in it.</summary>
    bool TakesHead { get; }

    /// <summary>Why a weight cannot be expressed, continuing "because "; null if it can.</summary>
    string? Refusal(LinearFormat format, int outWidth, int inWidth);

    /// <summary>Names, types and shapes of a linear's tensors, without the bias.</summary>
    IEnumerable<(string Suffix, DType Type, long[] Shape)> Tensors(LinearFormat format, int outWidth, int inWidth);

    /// <summary>The values of those tensors, in the same order.</summary>
    IEnumerable<Array> Pack(QuantizedWeight weight, ExchangeConfig config);

    /// <summary>What config.json says of the layout.</summary>
    JsonObject ToJson(ExchangeConfig config);

    /// <summary>Reads what config.json says.</summary>
    /// <exception cref="InvalidInputException">It is not supported.</exception>
    ExchangeConfig Read(ConfigReader json);

    /// <summary>Reads a linear's weight.</summary>
    QuantizedWeight Unpack(ITensorSource file, string name, ExchangeConfig config, int outWidth, int inWidth);
}

/// <summary>What all linears of an exchanged checkpoint have in common.</summary>
internal sealed record ExchangeConfig
{
    /// <summary>4 or 8.</summary>
    public int Bits { get; init; } = 4;

    /// <summary>Columns of a group; 0 for one scale per output.</summary>
    public int GroupSize { get; init; }

    /// <summary>Whether columns were quantized in order of activation.</summary>
    public bool ActOrder { get; init; }

    /// <summary>Whether there are no zero points but the middle one.</summary>
    public bool Symmetric { get; init; }

    /// <summary>Whether stored zero points are one less than meant (GPTQ's first version).</summary>
    public bool ZerosLessOne { get; init; }

    /// <summary>Linears inside blocks that are not quantized.</summary>
    public IReadOnlyList<string> Kept { get; init; } = [];

    /// <summary>Whether the head is quantized.</summary>
    public bool Head { get; init; }

    /// <summary>Number of groups of a row.</summary>
    public int Groups(int inWidth) => GroupSize == 0 ? 1 : (inWidth + GroupSize - 1) / GroupSize;
}
