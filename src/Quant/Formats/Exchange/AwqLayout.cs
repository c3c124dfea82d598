using System.Text.Json.Nodes;
using Generated.Checkpoints;
using Generated.Configuration;
using Generated.Quant.Weights;

namespace Generated.Quant.Formats.Exchange;

/// <summary>
/// AutoAWQ's GEMM layout: qweight int32 [in, out / 8] and qzeros int32 [groups, out / 8], of whose words the four bits at place j are those of output
/// 0, 2, 4, 6, 1, 3, 5, 7 of eight; scales float16 [groups, out].
/// </summary>
internal sealed class AwqLayout : IExchangeLayout
{
    private const int PerWord = 8;
    private const int Bits = 4;

    private static ReadOnlySpan<int> Order => [0, 2, 4, 6, 1, 3, 5, 7];

    public string Method => "awq";

    public bool TakesHead => false;

    public string? Refusal(LinearFormat format, int outWidth, int inWidth)
    {
        if (format.Bits != Bits)
            return $"it has 4 bits only, not {format.Bits}";
        if (format.HasOrder)
            return "it has no group index for act-order (quantize with gptq.static_groups or without gptq.act_order)";
        if (outWidth % PerWord != 0)
            return $"its words hold {PerWord} outputs, which do not divide {outWidth}";
        return format.GroupSize != 0 && inWidth % format.GroupSize != 0 ? $"its groups of {format.GroupSize} do not divide {inWidth} inputs" : null;
    }

    public IEnumerable<(string Suffix, DType Type, long[] Shape)> Tensors(LinearFormat format, int outWidth, int inWidth)
    {
        var groups = format.Groups(inWidth);
        yield return (".qweight", DType.I32, [inWidth, outWidth / PerWord]);
        yield return (".qzeros", DType.I32, [groups, outWidth / PerWord]);
        yield return (".scales", DType.F16, [groups, outWidth]);
    }

    public IEnumerable<Array> Pack(QuantizedWeight weight, ExchangeConfig config)
    {
        yield return Words(weight.InWidth, weight.OutWidth, (k, o) => weight.Codes[o * weight.InWidth + k]);
        yield return Words(weight.Groups, weight.OutWidth, (g, o) => ExchangeValues.Zero(weight, o, g));
        yield return ExchangeValues.Scales(weight);
    }

    public JsonObject ToJson(ExchangeConfig config) => new()
    {
        ["quant_method"] = Method,
        ["bits"] = Bits,
        ["group_size"] = config.GroupSize == 0 ? -1 : config.GroupSize,
        ["zero_point"] = true,
        ["version"] = "gemm",
        ["modules_to_not_convert"] = config.Kept.Count == 0 ? null : new JsonArray([.. config.Kept.Select(name => JsonValue.Create(name))]),
    };

    public ExchangeConfig Read(ConfigReader json)
    {
        json.Require(json.Int("bits", "w_bit") == Bits, "bits", "is not 4, which is all that this layout has");
        json.Require(string.Equals(json.StringOr("gemm", "version"), "gemm", StringComparison.OrdinalIgnoreCase), "version", "is not 'gemm'");
        json.Require(json.BoolOr(true, "zero_point"), "zero_point", "is not supported: the layout's symmetric form has no published meaning");
        var size = json.Int("group_size", "q_group_size");
        json.Require(size == -1 || size > 0, "group_size", "is neither -1 nor a number of inputs");
        return new ExchangeConfig { GroupSize = Math.Max(size, 0) };
    }

    public QuantizedWeight Unpack(ITensorSource file, string name, ExchangeConfig config, int outWidth, int inWidth)
    {
        var words = PackedParts.Values<uint>(file, name + ".qweight");
        var zeroWords = PackedParts.Values<uint>(file, name + ".qzeros");
        var groups = config.Groups(inWidth);
        var codes = new byte[(long)outWidth * inWidth];
        for (var k = 0; k < inWidth; k++)
            for (var o = 0; o < outWidth; o++)
                codes[(long)o * inWidth + k] = (byte)Code(words, k, o, outWidth);
        var zeros = ExchangeValues.Zeros(name, Bits, outWidth, groups, (o, g) => Code(zeroWords, g, o, outWidth));
        return new QuantizedWeight(outWidth, inWidth, Bits, config.GroupSize, codes, ExchangeValues.Scales(file, name, outWidth, groups), zeros);
    }

    private static uint[] Words(int rows, int outWidth, Func<int, int, int> code)
    {
        var words = new uint[rows * (outWidth / PerWord)];
        for (var row = 0; row < rows; row++)
            for (var o = 0; o < outWidth; o++)
                words[row * (outWidth / PerWord) + o / PerWord] |= (uint)code(row, o) << Place(o) * Bits;
        return words;
    }

    private static int Code(uint[] words, int row, int output, int outWidth) =>
        (int)(words[row * (outWidth / PerWord) + output / PerWord] >> Place(output) * Bits) & 15;

    /// <summary>Which four bits of a word an output has.</summary>
    private static int Place(int output) => Order.IndexOf(output % PerWord);
}
