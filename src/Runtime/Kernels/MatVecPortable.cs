using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Generated.Kernels;

/// <summary>The matrix-vector product in 128-bit vectors of .NET's portable API.</summary>
internal static unsafe class MatVecPortable<TStored, TElement>
    where TStored : unmanaged
    where TElement : struct, IElement<TStored>
{
    /// <summary>Computes outputs <paramref name="start"/> up to <paramref name="end"/> of every input row.</summary>
    public static void Multiply(in MatVecOperands<TStored> operands, int start, int end)
    {
        for (var output = start; output < end; output++)
        {
            var weights = operands.Weights + (long)output * operands.InWidth;
            for (var row = 0; row < operands.Rows; row++)
                operands.Store(row, output, Dot(weights, operands.X + (long)row * operands.InWidth, operands.InWidth));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot(TStored* weights, float* x, int width)
    {
        Vector128<float> a = default, b = default, c = default, d = default;
        var k = 0;
        for (; k <= width - 16; k += 16)
        {
            a = Vector128.MultiplyAddEstimate(TElement.Load128(weights + k), Vector128.Load(x + k), a);
            b = Vector128.MultiplyAddEstimate(TElement.Load128(weights + k + 4), Vector128.Load(x + k + 4), b);
            c = Vector128.MultiplyAddEstimate(TElement.Load128(weights + k + 8), Vector128.Load(x + k + 8), c);
            d = Vector128.MultiplyAddEstimate(TElement.Load128(weights + k + 12), Vector128.Load(x + k + 12), d);
        }
        var sum = Vector128.Sum((a + b) + (c + d));
        for (; k < width; k++)
            sum += TElement.Load(weights + k) * x[k];
        return sum;
    }
}
