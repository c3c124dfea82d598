using Generated.Layers;
using Generated.Quant.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Layers;

/// <summary>The products that CUDA uses, on the operators' CPU forms: what goes into them and comes out means the same there.</summary>
public sealed class TensorProductTests
{
    private const int In = 256;
    private const int Out = 48;

    public static TheoryData<string, int, ScalarType> Cases()
    {
        var data = new TheoryData<string, int, ScalarType>();
        foreach (var name in LinearCase.All.Select(c => c.Name))
        {
            data.Add(name, 1, ScalarType.Float32);
            data.Add(name, 3, ScalarType.BFloat16);
            data.Add(name, 40, ScalarType.BFloat16);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Products_AreWhatTheIntegersMean(string name, int rows, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var build = new BuildContext(new BuildOptions());
        var state = LinearCase.Find(name).State(Out, In);
        var part = LinearPart.Of(new DenseLinear(build, In, Out), state);
        using var step = new InputStep(part.Input, part.Activations, part.InputScale, CPU, null);
        using var product = new TensorProduct(part.Matrix, step, CPU);
        var (x, expected) = LinearCase.Product(state, rows, dtype);
        // 4-bit codes are multiplied in bfloat16, whatever the model's type.
        var tolerance = dtype == ScalarType.Float32 && !product.IsPackedInt4 ? 1e-4 : 2.5e-2;
        QuantizedLinearTests.Close(expected, product.Multiply(x, part.Bias is null ? null : tensor(part.Bias)), tolerance, "product");
        var weight = tensor(state.Weight.Dequantize()).view(Out, In);
        QuantizedLinearTests.Close(weight, product.Dequantize(), product.IsPackedInt4 ? 8e-3 : 1e-6, "weight");
    }

    [Fact]
    public void LibtorchsOperators_AreReached()
    {
        var ops = LowBitOps.On(CPU);
        Assert.True(ops.HasInt8);
        Assert.True(ops.HasPackedInt8);
        Assert.True(ops.HasPackedInt4);
    }
}
