using Generated.Architectures;
using Generated.Layers;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using Generated.Quant.Weights;
using static TorchSharp.torch;

namespace Quant.Tests.Layers;

/// <summary>A kind of quantized linear, made of random integers, and what it means, written down in double precision.</summary>
public sealed record LinearCase(string Name)
{
    public int Bits { get; init; } = 8;
    public int GroupSize { get; init; }
    public bool Symmetric { get; init; } = true;
    public bool ActOrder { get; init; }
    public bool Bias { get; init; }
    public bool Shift { get; init; }
    public bool Divisor { get; init; }
    public ActivationGranularity? Activations { get; init; }

    public static IReadOnlyList<LinearCase> All { get; } =
    [
        new("int8 per channel"),
        new("int8 per channel, bias, transform") { Bias = true, Shift = true, Divisor = true },
        new("int8 per group, asymmetric") { GroupSize = 32, Symmetric = false, Bias = true },
        new("int4 per channel") { Bits = 4 },
        new("int4 per group") { Bits = 4, GroupSize = 64, Divisor = true },
        new("int4 per group, asymmetric, act-order") { Bits = 4, GroupSize = 32, Symmetric = false, ActOrder = true, Bias = true },
        new("W8A8 static") { Activations = ActivationGranularity.Tensor, Bias = true },
        new("W8A8 per token") { Activations = ActivationGranularity.Token },
        new("W8A8 static, transform") { Activations = ActivationGranularity.Tensor, Shift = true, Divisor = true, Bias = true },
        new("W8A8 per token, transform") { Activations = ActivationGranularity.Token, Divisor = true },
        new("W4A8 per group, static") { Bits = 4, GroupSize = 32, Symmetric = false, Activations = ActivationGranularity.Tensor },
        new("W4A8 per group, per token") { Bits = 4, GroupSize = 32, Activations = ActivationGranularity.Token, Shift = true },
    ];

    public static LinearCase Find(string name) => All.Single(c => c.Name == name);

    public static TheoryData<string> Names() => [.. All.Select(c => c.Name)];

    public LinearState State(int outWidth, int inWidth, int seed = 1)
    {
        var random = new Random(seed);
        var size = GroupSize == 0 ? inWidth : GroupSize;
        var groups = (inWidth + size - 1) / size;
        var codes = new byte[outWidth * inWidth];
        for (var i = 0; i < codes.Length; i++)
            codes[i] = (byte)random.Next(Bits == 8 && Symmetric ? 1 : 0, 1 << Bits);
        var index = Enumerable.Range(0, inWidth).Select(k => k / size).ToArray();
        if (ActOrder)
            random.Shuffle(index);
        return new LinearState
        {
            Weight = new QuantizedWeight(
                outWidth, inWidth, Bits, GroupSize, codes, Floats(outWidth * groups, 0.005f, 0.02f),
                Symmetric ? null : [.. Enumerable.Range(0, outWidth * groups).Select(_ => (byte)random.Next(1, (1 << Bits) - 1))],
                ActOrder ? index : null),
            Bias = Bias ? Floats(outWidth, -1, 1) : null,
            Input = Shift || Divisor ? new InputTransform(Shift ? Floats(inWidth, -3, 3) : null, Divisor ? Floats(inWidth, 0.5f, 4) : null) : null,
            Activations = Activations is { } per ? new ActivationFormat { Per = per } : null,
            InputScale = Activations == ActivationGranularity.Tensor ? 0.02f : null,
        };

        float[] Floats(int count, float from, float to) => [.. Enumerable.Range(0, count).Select(_ => (float)(from + (to - from) * random.NextDouble()))];
    }

    /// <summary>y for one row, by the definitions of the records.</summary>
    public static double[] Expected(LinearState state, float[] x)
    {
        var weight = state.Weight;
        var input = new double[weight.InWidth];
        for (var k = 0; k < input.Length; k++)
            input[k] = (float)((float)(x[k] - (state.Input?.Shift?[k] ?? 0)) / (state.Input?.Divisor?[k] ?? 1));
        if (state.Activations is { } format)
        {
            var scale = format.Per == ActivationGranularity.Tensor ? state.InputScale!.Value : (float)input.Max(Math.Abs) / 127;
            for (var k = 0; k < input.Length; k++)
                input[k] = Math.Clamp(MathF.Round((float)input[k] / scale), -128, 127) * (double)scale;
        }

        var y = new double[weight.OutWidth];
        for (var o = 0; o < y.Length; o++)
        {
            y[o] = state.Bias?[o] ?? 0;
            for (var k = 0; k < input.Length; k++)
            {
                var group = o * weight.Groups + (weight.GroupIndex is { } index ? index[k] : k / weight.GroupSize);
                var zero = weight.Zeros is { } zeros ? zeros[group] : 1 << (weight.Bits - 1);
                y[o] += (weight.Codes[o * weight.InWidth + k] - zero) * (double)weight.Scales[group] * input[k];
            }
        }

        return y;
    }

    /// <summary>Some random rows in a type, [1, rows, in], and what a linear gives for them as they are in that type, [1, rows, out].</summary>
    public static (Tensor Input, Tensor Expected) Product(LinearState state, int rows, ScalarType dtype)
    {
        var (inWidth, outWidth) = (state.Weight.InWidth, state.Weight.OutWidth);
        var x = tensor(Enumerable.Range(0, rows).SelectMany(row => Row(inWidth, row)).ToArray()).view(1, rows, inWidth).to(dtype);
        var input = x.to(ScalarType.Float32).data<float>().ToArray();
        return (x, tensor(Enumerable.Range(0, rows).SelectMany(row => Expected(state, input[(row * inWidth)..((row + 1) * inWidth)])).ToArray()).view(1, rows, outWidth));
    }

    public static float[] Row(int width, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, width).Select(_ => (float)(random.NextDouble() * 4 - 2))];
    }
}
