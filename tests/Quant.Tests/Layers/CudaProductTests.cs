using Generated.Layers;
using Generated.Quant.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Layers;

/// <summary>Products by own CUDA kernels, for decoding and for many rows, are what the integers mean.</summary>
public sealed class CudaProductTests
{
    private const int In = 416;
    private const int Out = 72;

    public static TheoryData<string, int, ScalarType> Cases()
    {
        var data = new TheoryData<string, int, ScalarType>();
        foreach (var name in LinearCase.All.Select(c => c.Name))
        {
            foreach (var rows in new[] { 1, 3, 8, 20, 40 })
                data.Add(name, rows, ScalarType.Float32);
            foreach (var rows in new[] { 1, 8, 40, 200 })
                data.Add(name, rows, ScalarType.BFloat16);
            data.Add(name, 1, ScalarType.Float16);
            data.Add(name, 200, ScalarType.Float16);
        }

        return data;
    }

    public static TheoryData<string> Names() => LinearCase.Names();

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Products_AreWhatTheIntegersMean(string name, int rows, ScalarType dtype)
    {
        Skip.IfNot(cuda.is_available(), "this machine has no CUDA device");
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var state = LinearCase.Find(name).State(Out, In);
        using var linear = QuantizedLinear.Create(Place(dtype, Out), state);
        var x = Input(rows, dtype);
        var y = linear.ProductOfFew(x.to(CUDA), true);
        Assert.Equal(dtype, y.dtype);
        QuantizedLinearTests.Close(Expected(state, x), y.cpu(), Tolerance(dtype), "product");
        QuantizedLinearTests.Close(tensor(state.Weight.Dequantize()).view(Out, In), linear.Dequantize().cpu(), 1e-6, "weight");
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void JointProducts_AreThoseOfTheMembers(string name)
    {
        Skip.IfNot(cuda.is_available(), "this machine has no CUDA device");
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        int[] widths = [Out, 40, 24];
        var states = widths.Select((width, i) => LinearCase.Find(name).State(width, In, seed: i)).ToArray();
        if (states[0].Weight.GroupIndex is { } order)
            states = [.. states.Select(s => s with { Weight = new(s.Weight.OutWidth, In, s.Weight.Bits, s.Weight.GroupSize, s.Weight.Codes, s.Weight.Scales, s.Weight.Zeros, order) })];
        var members = states.Select(s => (Linear)QuantizedLinear.Create(Place(ScalarType.BFloat16, s.Weight.OutWidth), s)).ToArray();
        var joint = ((IJointLinear)members[0]).Join(members);
        Assert.Equal(LinearCase.Find(name) is { Shift: false, Divisor: false }, joint is not null);
        foreach (var rows in new[] { 1, 5, 40, 200 })
        {
            if (joint is null)
                break;
            var x = Input(rows, ScalarType.BFloat16);
            var expected = cat([.. states.Select(s => Expected(s, x))], -1);
            QuantizedLinearTests.Close(expected, joint.Multiply(x.to(CUDA)).cpu(), Tolerance(ScalarType.BFloat16), $"{rows} rows");
        }

        foreach (var member in members)
            member.Dispose();
    }

    [SkippableFact]
    public void Kernels_RunOnEveryDevice()
    {
        Skip.IfNot(cuda.is_available(), "this machine has no CUDA device");
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var name in new[] { "int4 per channel", "W8A8 per token" })
        {
            var state = LinearCase.Find(name).State(Out, In);
            for (var index = 0; index < cuda.device_count(); index++)
            {
                var device = new Device(DeviceType.CUDA, index);
                using var linear = QuantizedLinear.Create(Place(ScalarType.BFloat16, Out, device), state);
                foreach (var rows in new[] { 1, 200 })
                {
                    var (x, expected) = LinearCase.Product(state, rows, ScalarType.BFloat16);
                    QuantizedLinearTests.Close(expected, linear.ProductOfFew(x.to(device), true).cpu(), Tolerance(ScalarType.BFloat16), $"{name}, {rows} rows on device {index}");
                }
            }
        }
    }

    private static DenseLinear Place(ScalarType dtype, int outWidth, Device? device = null)
    {
        using var build = new BuildContext(new BuildOptions { Dtype = dtype, Device = device ?? CUDA });
        return new DenseLinear(build, In, outWidth);
    }

    private static Tensor Input(int rows, ScalarType dtype) =>
        tensor(Enumerable.Range(0, rows).SelectMany(row => LinearCase.Row(In, row)).ToArray()).view(1, rows, In).to(dtype);

    private static Tensor Expected(Generated.Quant.Layers.LinearState state, Tensor x)
    {
        var input = x.to(ScalarType.Float32).data<float>().ToArray();
        return tensor(Enumerable.Range(0, (int)x.shape[1]).SelectMany(row => LinearCase.Expected(state, input[(row * In)..((row + 1) * In)])).ToArray()).view(1, x.shape[1], state.Weight.OutWidth);
    }

    // In 16 bits a code may fall on the other side of a tie.
    private static double Tolerance(ScalarType dtype) => dtype switch { ScalarType.Float32 => 1e-4, ScalarType.Float16 => 2e-3, _ => 1.6e-2 };
}
