using System.Text.Json.Nodes;
using Generated.Checkpoints;
using Generated.Configuration;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;

namespace Generated.Quant.Formats;

/// <summary>Which tensors of a linear a checkpoint holds, and what its codes mean. Compares by content.</summary>
internal sealed record LinearFormat
{
    private const int Block = 32;

    /// <summary>Bits of a code; 0 for a linear that stays dense and has something the architecture does not declare.</summary>
    public int Bits { get; init; }

    /// <summary>Columns of a group; 0 for one scale per output.</summary>
    public int GroupSize { get; init; }

    /// <summary>Whether scales have zero points.</summary>
    public bool HasZeros { get; init; }

    /// <summary>Whether columns were sorted by group (act-order).</summary>
    public bool HasOrder { get; init; }

    /// <summary>Whether there is a bias; of a dense linear, one that the architecture lacks.</summary>
    public bool HasBias { get; init; }

    /// <summary>How the input is rounded; null for not.</summary>
    public ActivationGranularity? Activations { get; init; }

    /// <summary>Whether the input is shifted.</summary>
    public bool HasShift { get; init; }

    /// <summary>Whether the input is divided.</summary>
    public bool HasDivisor { get; init; }

    /// <summary>Whether the weight is quantized.</summary>
    public bool IsQuantized => Bits > 0;

    /// <summary>The format of a state. One group needs neither a size nor an order.</summary>
    public static LinearFormat Of(LinearState state) => new()
    {
        Bits = state.Weight.Bits,
        GroupSize = state.Weight.Groups == 1 ? 0 : state.Weight.GroupSize,
        HasZeros = !state.Weight.IsSymmetric,
        HasOrder = state.Weight.Groups > 1 && state.Weight.GroupIndex is not null,
        HasBias = state.Bias is not null,
        Activations = state.Activations?.Per,
        HasShift = state.Input?.Shift is not null,
        HasDivisor = state.Input?.Divisor is not null,
    };

    /// <summary>Number of groups of a row.</summary>
    public int Groups(int inWidth) => GroupSize == 0 ? 1 : (inWidth + GroupSize - 1) / GroupSize;

    /// <summary>Bytes of a row of packed codes.</summary>
    public long RowBytes(int inWidth) => (inWidth + Block - 1) / Block * (long)(Block * Bits / 8);

    /// <summary>The tensors, with the types they may have.</summary>
    public IEnumerable<(string Name, long[] Shape, DType[] Types)> Tensors(string linear, int outWidth, int inWidth)
    {
        if (IsQuantized)
        {
            yield return (linear + LinearTensors.Codes, [outWidth, RowBytes(inWidth)], [DType.U8]);
            yield return (linear + LinearTensors.Scales, [outWidth, Groups(inWidth)], [DType.F16, DType.F32]);
        }

        if (HasZeros)
            yield return (linear + LinearTensors.Zeros, [outWidth, Groups(inWidth)], [DType.U8]);
        if (HasOrder)
            yield return (linear + LinearTensors.GroupIndex, [inWidth], [DType.I32]);
        if (HasBias)
            yield return (linear + LinearTensors.Bias, [outWidth], [DType.F32]);
        if (Activations == ActivationGranularity.Tensor)
            yield return (linear + LinearTensors.InputScale, [1], [DType.F32]);
        if (HasShift)
            yield return (linear + LinearTensors.InputShift, [inWidth], [DType.F32]);
        if (HasDivisor)
            yield return (linear + LinearTensors.InputDivisor, [inWidth], [DType.F32]);
    }

    /// <summary>As JSON; what is off is not written.</summary>
    public JsonObject ToJson()
    {
        var json = new JsonObject();
        if (IsQuantized)
            json["bits"] = Bits;
        if (GroupSize > 0)
            json["group_size"] = GroupSize;
        if (Activations is { } per)
            json["activations"] = per == ActivationGranularity.Tensor ? "tensor" : "token";
        foreach (var (name, isOn) in new[] { ("zeros", HasZeros), ("g_idx", HasOrder), ("bias", HasBias), ("input_shift", HasShift), ("input_divisor", HasDivisor) })
        {
            if (isOn)
                json[name] = true;
        }

        return json;
    }

    /// <exception cref="InvalidInputException">A value is impossible.</exception>
    public static LinearFormat Read(ConfigReader json)
    {
        var format = new LinearFormat
        {
            Bits = json.IntOr(0, "bits"),
            GroupSize = json.IntOr(0, "group_size"),
            Activations = json.StringOr(null, "activations") switch
            {
                null => null,
                "tensor" => ActivationGranularity.Tensor,
                "token" => ActivationGranularity.Token,
                _ => throw json.Refuse("activations", "is neither 'tensor' nor 'token'"),
            },
            HasZeros = json.BoolOr(false, "zeros"),
            HasOrder = json.BoolOr(false, "g_idx"),
            HasBias = json.BoolOr(false, "bias"),
            HasShift = json.BoolOr(false, "input_shift"),
            HasDivisor = json.BoolOr(false, "input_divisor"),
        };
        json.Require(format.Bits is 0 or 4 or 8, "bits", "is neither 4 nor 8");
        json.Require(format.GroupSize >= 0 && format.GroupSize % Block == 0, "group_size", $"is no multiple of {Block}");
        json.Require(format.IsQuantized || format is { GroupSize: 0, HasZeros: false, HasOrder: false, Activations: null }, "bits", "has to be 4 or 8 where there are scales");
        json.Require(!format.HasOrder || format.GroupSize > 0, "g_idx", "makes no sense without 'group_size'");
        return format;
    }
}

/// <summary>What a linear's tensors are called, behind the linear's own name.</summary>
internal static class LinearTensors
{
    public const string Codes = ".qweight";
    public const string Scales = ".scales";
    public const string Zeros = ".zeros";
    public const string GroupIndex = ".g_idx";
    public const string Bias = ".bias";
    public const string InputScale = ".input_scale";
    public const string InputShift = ".input_shift";
    public const string InputDivisor = ".input_divisor";
}
