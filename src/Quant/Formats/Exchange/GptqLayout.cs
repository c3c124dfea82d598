using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Generated.Checkpoints;
using Generated.Configuration;
using Generated.Quant.Weights;

namespace Generated.Quant.Formats.Exchange;

/// <summary>
/// AutoGPTQ's layout: qweight int32 [in / n, out] with n = 32 / bits codes of consecutive inputs in a word, the first in its lowest bits; qzeros
/// int32 [groups, out / n] likewise along the outputs, each one less than meant in the first version; scales float16 [groups, out]; g_idx int32 [in].
/// </summary>
internal sealed class GptqLayout : IExchangeLayout
{
    private const string SecondVersion = "gptq_v2";

    public string Method => "gptq";

    public bool TakesHead => true;

    public string? Refusal(LinearFormat format, int outWidth, int inWidth)
    {
        var perWord = 32 / format.Bits;
        return inWidth % perWord != 0 || outWidth % perWord != 0
            ? $"its words of 32 bits hold {perWord} codes, which do not divide {inWidth} inputs and {outWidth} outputs"
            : null;
    }

    public IEnumerable<(string Suffix, DType Type, long[] Shape)> Tensors(LinearFormat format, int outWidth, int inWidth)
    {
        var (perWord, groups) = (32 / format.Bits, format.Groups(inWidth));
        yield return (".qweight", DType.I32, [inWidth / perWord, outWidth]);
        yield return (".qzeros", DType.I32, [groups, outWidth / perWord]);
        yield return (".scales", DType.F16, [groups, outWidth]);
        yield return (".g_idx", DType.I32, [inWidth]);
    }

    public IEnumerable<Array> Pack(QuantizedWeight weight, ExchangeConfig config)
    {
        var (outWidth, inWidth, bits) = (weight.OutWidth, weight.InWidth, weight.Bits);
        var perWord = 32 / bits;
        var codes = new uint[inWidth / perWord * outWidth];
        for (var o = 0; o < outWidth; o++)
            for (var k = 0; k < inWidth; k++)
                codes[k / perWord * outWidth + o] |= (uint)weight.Codes[o * inWidth + k] << k % perWord * bits;
        yield return codes;
        var zeros = new uint[weight.Groups * (outWidth / perWord)];
        for (var o = 0; o < outWidth; o++)
        {
            for (var g = 0; g < weight.Groups; g++)
            {
                var zero = ExchangeValues.Zero(weight, o, g) - (config.ZerosLessOne ? 1 : 0);
                zeros[g * (outWidth / perWord) + o / perWord] |= (uint)zero << o % perWord * bits;
            }
        }

        yield return zeros;
        yield return ExchangeValues.Scales(weight);
        yield return Enumerable.Range(0, inWidth).Select(weight.GroupOf).ToArray();
    }

    public JsonObject ToJson(ExchangeConfig config)
    {
        var json = new JsonObject
        {
            ["quant_method"] = Method,
            ["bits"] = config.Bits,
            ["group_size"] = config.GroupSize == 0 ? -1 : config.GroupSize,
            ["desc_act"] = config.ActOrder,
            ["sym"] = config.Symmetric,
            ["lm_head"] = config.Head,
            ["checkpoint_format"] = config.ZerosLessOne ? Method : SecondVersion,
            ["quantizer"] = $"generated:{Manifest.LibraryVersion}",
        };
        if (config.Kept.Count > 0)
            json["dynamic"] = new JsonObject(config.Kept.Select(name => KeyValuePair.Create("-:^" + Regex.Escape(name) + "$", (JsonNode?)new JsonObject())));
        return json;
    }

    public ExchangeConfig Read(ConfigReader json)
    {
        var size = json.Int("group_size");
        json.Require(size == -1 || size > 0, "group_size", "is neither -1 nor a number of inputs");
        json.Require(json.Int("bits") is 4 or 8, "bits", "is neither 4 nor 8, for which there are kernels");
        var version = json.StringOr(Method, "checkpoint_format");
        json.Require(version is "gptq" or SecondVersion, "checkpoint_format", $"is neither 'gptq' nor '{SecondVersion}'");
        return new ExchangeConfig
        {
            Bits = json.Int("bits"),
            GroupSize = Math.Max(size, 0),
            ActOrder = json.BoolOr(false, "desc_act"),
            Symmetric = json.BoolOr(false, "sym"),
            ZerosLessOne = version == Method,
        };
    }

    public QuantizedWeight Unpack(ITensorSource file, string name, ExchangeConfig config, int outWidth, int inWidth)
    {
        var (bits, groups) = (config.Bits, config.Groups(inWidth));
        var (perWord, mask) = (32 / bits, (1u << bits) - 1);
        var words = PackedParts.Values<uint>(file, name + ".qweight");
        var codes = new byte[(long)outWidth * inWidth];
        for (var k = 0; k < inWidth; k++)
        {
            var row = words.AsSpan(k / perWord * outWidth, outWidth);
            var shift = k % perWord * bits;
            for (var o = 0; o < outWidth; o++)
                codes[(long)o * inWidth + k] = (byte)((row[o] >> shift) & mask);
        }

        var zeroWords = PackedParts.Values<uint>(file, name + ".qzeros");
        var zeros = ExchangeValues.Zeros(name, bits, outWidth, groups, (o, g) =>
            (int)((zeroWords[g * (outWidth / perWord) + o / perWord] >> o % perWord * bits) & mask) + (config.ZerosLessOne ? 1 : 0));
        var groupIndex = file.Tensors.ContainsKey(name + ".g_idx") && groups > 1 ? PackedParts.Values<int>(file, name + ".g_idx") : null;
        if (groupIndex is not null && groupIndex.Select((g, k) => g == k / config.GroupSize).All(same => same))
            groupIndex = null;
        return new QuantizedWeight(outWidth, inWidth, bits, config.GroupSize, codes, ExchangeValues.Scales(file, name, outWidth, groups), zeros, groupIndex);
    }
}
