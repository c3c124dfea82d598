using Generated;
using Generated.Kernels;
using Generated.Layers;
using Generated.Passes;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Layers;

/// <summary>A quantized linear gives what its integers mean, on every path, and as its own eager form.</summary>
public sealed class QuantizedLinearTests
{
    private const int In = 160;
    private const int Out = 37;
    private static readonly SequenceInputs Inputs = new(1, 1, 0, [0], AttentionMask.Causal);

    public static TheoryData<string, int, ScalarType> Cases()
    {
        var data = new TheoryData<string, int, ScalarType>();
        foreach (var name in LinearCase.All.Select(c => c.Name))
        {
            foreach (var rows in new[] { 1, 3, 20 })
                data.Add(name, rows, ScalarType.Float32);
            data.Add(name, 1, ScalarType.BFloat16);
            data.Add(name, 20, ScalarType.Float16);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Products_AreWhatTheIntegersMean(string name, int rows, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var build = new BuildContext(new BuildOptions { Dtype = dtype });
        using var pass = new PassContext(Inputs);
        var state = LinearCase.Find(name).State(Out, In);
        using var linear = QuantizedLinear.Create(new DenseLinear(build, In, Out), state);
        var (x, expected) = LinearCase.Product(state, rows, dtype);

        // A code may fall on the other side of a tie where a 16-bit pass rounds elsewhere; float32 has no such excuse.
        var tolerance = dtype switch { ScalarType.Float32 => 1e-4, ScalarType.Float16 => 2e-3, _ => 1.6e-2 };
        Close(expected, linear.Apply(x, pass), tolerance, "full");
        Close(expected, linear.Decode(x, pass), tolerance, "decode");
        Close(expected, linear.Eager(new Flow(x, pass)).Value, tolerance, "eager");
    }

    [Fact]
    public void IntegerProducts_AreExact()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var build = new BuildContext(new BuildOptions());
        using var pass = new PassContext(Inputs);
        var state = LinearCase.Find("W8A8 static").State(Out, In) with { Bias = null };
        using var linear = QuantizedLinear.Create(new DenseLinear(build, In, Out), state);
        var row = LinearCase.Row(In, 5);
        var y = linear.Decode(tensor(row).view(1, 1, In), pass).data<float>().ToArray();
        var many = linear.Apply(tensor(Enumerable.Repeat(row, 13).SelectMany(r => r).ToArray()).view(1, 13, In), pass).data<float>().ToArray();
        for (var o = 0; o < Out; o++)
        {
            var sum = 0;
            for (var k = 0; k < In; k++)
                sum += (state.Weight.Codes[o * In + k] - 128) * (int)Math.Clamp(MathF.Round(row[k] / state.InputScale!.Value), -128, 127);
            var exact = sum * (state.Weight.Scales[o] * state.InputScale!.Value);
            Assert.Equal(exact, y[o]);
            Assert.All(Enumerable.Range(0, 13), r => Assert.Equal(exact, many[r * Out + o]));
        }
    }

    [Fact]
    public void Gradients_ReachTheInputOfAnAdapterBelow()
    {
        using var scope = NewDisposeScope();
        using var build = new BuildContext(new BuildOptions());
        using var pass = new PassContext(Inputs);
        var state = LinearCase.Find("int4 per group").State(Out, In);
        using var linear = QuantizedLinear.Create(new DenseLinear(build, In, Out), state);
        var x = tensor(LinearCase.Row(In, 1)).view(1, 1, In);
        x.requires_grad = true;
        linear.Apply(x, pass).sum().backward();
        var weight = state.Weight.Dequantize();
        var expected = Enumerable.Range(0, In).Select(k => Enumerable.Range(0, Out).Sum(o => (double)weight[o * In + k]) / state.Input!.Divisor![k]).ToArray();
        Close(tensor(expected).view(1, 1, In), x.grad!, 1e-4, "gradient");
    }

    [Fact]
    public void TransformedLinear_DividesWhatItsDenseLinearGets()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var build = new BuildContext(new BuildOptions());
        using var pass = new PassContext(Inputs);
        var dense = new DenseLinear(build, In, Out);
        dense.Weight.Value.copy_(rand(Out, In));
        var transform = new InputTransform(LinearCase.Row(In, 7), [.. LinearCase.Row(In, 8).Select(v => 2.5f + v)]);
        using var linear = TransformedLinear.Create(dense, transform);
        foreach (var rows in new[] { 1, 20 })
        {
            var x = rand(1, rows, In);
            var expected = (x - tensor(transform.Shift!)).div(tensor(transform.Divisor!)).matmul(dense.Weight.Value.t());
            Close(expected, linear.Apply(x, pass), 1e-5, "full");
            Close(expected, linear.Decode(x, pass), 1e-5, "decode");
            Close(expected, linear.Eager(new Flow(x, pass)).Value, 1e-5, "eager");
        }
    }

    [Fact]
    public void WeightsThatDoNotFit_AreRefusedWithTheirSizes()
    {
        using var build = new BuildContext(new BuildOptions());
        var place = new DenseLinear(build, In, Out);
        var state = LinearCase.Find("int8 per channel").State(Out, In);
        Assert.Contains("its weight is 37 × 32", Refusal(LinearCase.Find("int8 per channel").State(Out, 32)));
        Assert.Contains("its bias has 3 values; it needs 37", Refusal(state with { Bias = [1, 2, 3] }));
        Assert.Contains("its static input scale is missing", Refusal(state with { Activations = new ActivationFormat() }));
        Assert.Contains("zero or not finite", Refusal(state with { Input = new InputTransform(null, new float[In]) }));

        string Refusal(LinearState whole) => Assert.Throws<InvalidInputException>(() => QuantizedLinear.Create(place, whole)).Message;
    }

    [Fact]
    public void DequantizedTiles_MakeTheWholeProduct()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var build = new BuildContext(new BuildOptions());
        var place = new DenseLinear(build, In, Out);
        var part = LinearPart.Of(place, LinearCase.Find("int4 per group, asymmetric, act-order").State(Out, In));
        using var step = new InputStep(null, null, null, CPU, null);
        using var product = new CpuProduct(part.Matrix, step, tileBytes: 10 * In * sizeof(float), KernelPath.Portable);
        var (x, bias) = (rand(2, 9, In), tensor(part.Bias!));
        Close(x.matmul(product.Dequantize().t()) + bias, product.Multiply(x, bias), 1e-5, "tiled");
    }

    internal static void Close(Tensor expected, Tensor actual, double tolerance, string what)
    {
        using var scope = NewDisposeScope();
        Assert.Equal(expected.shape, actual.shape);
        var (a, b) = (actual.detach().to(ScalarType.Float64), expected.detach().to(ScalarType.Float64));
        var error = ((a - b).abs().max() / b.abs().max()).item<double>();
        Assert.True(error <= tolerance, $"{what} differs by {error:g3} of the largest value");
    }
}
