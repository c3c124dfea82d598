using System.Runtime.InteropServices;

namespace Generated.Quant.Kernels.Cuda;

/// <summary>A weight as the kernels' struct Weight has it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct WeightArgument
{
    public nint Codes;
    public nint Scales;

    /// <summary>float32 [out], or 0.</summary>
    public nint Bias;
    public int OutWidth;

    /// <summary>The first column of its outputs in the result.</summary>
    public int First;
}

/// <summary>One to three weights of one input, as the kernels' struct Weights has them.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct WeightArguments
{
    public const int Most = 3;

    private WeightArgument _a;
    private WeightArgument _b;
    private WeightArgument _c;

    /// <summary>Outputs of all.</summary>
    public int Width { get; private set; }

    private int _count;

    /// <summary>Tiles of so many outputs of all, where none has outputs of two weights.</summary>
    public readonly int Tiles(int outputs) => Tiles(_a, outputs) + Tiles(_b, outputs) + Tiles(_c, outputs);

    /// <summary>Adds a weight, whose outputs follow those of the ones before.</summary>
    public void Add(WeightArgument weight, nint bias)
    {
        weight.Bias = bias;
        weight.First = Width;
        switch (_count++)
        {
            case 0:
                _a = weight;
                break;
            case 1:
                _b = weight;
                break;
            case 2:
                _c = weight;
                break;
            default:
                throw new InvalidOperationException($"A kernel takes at most {Most} weights.");
        }

        Width += weight.OutWidth;
    }

    private static int Tiles(WeightArgument weight, int outputs) => (weight.OutWidth + outputs - 1) / outputs;
}
