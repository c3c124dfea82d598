using System.Runtime.Intrinsics;

namespace Generated.Kernels;

/// <summary>Rotary position embedding (Su et al., 2021) of the heads of one row, in place, on the calling thread.</summary>
public static unsafe class RotaryKernel
{
    /// <summary>
    /// Rotates feature pairs of every head: (a, b) becomes (a·cos − b·sin, b·cos + a·sin). Features past <paramref name="width"/> stay;
    /// a pointer into the head rotates a later section, as ChatGLM's second half.
    /// </summary>
    /// <param name="x">The first head's first rotated feature.</param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="headStride">Distance from one head to the next.</param>
    /// <param name="width">Features of a head that rotate, even.</param>
    /// <param name="cos">[width / 2] of the row's position.</param>
    /// <param name="sin">[width / 2] of the row's position.</param>
    /// <param name="adjacent">Pairs are features 2i and 2i + 1 (GPT-J, ChatGLM2); otherwise i and i + width/2 (LLaMA, GPT-NeoX).</param>
    public static void Rotate(float* x, int heads, int headStride, int width, float* cos, float* sin, bool adjacent)
    {
        if (width < 0 || width % 2 != 0 || (heads > 1 && headStride < width))
            throw new ArgumentOutOfRangeException(nameof(width), width, "The rotated width is even and no larger than a head.");
        for (var head = 0; head < heads; head++, x += headStride)
        {
            if (adjacent)
                RotateAdjacent(x, width, cos, sin);
            else
                RotateHalves(x, width / 2, cos, sin);
        }
    }

    private static void RotateHalves(float* x, int half, float* cos, float* sin)
    {
        var z = x + half;
        var i = 0;
        for (; i <= half - 8; i += 8)
        {
            Vector256<float> a = Vector256.Load(x + i), b = Vector256.Load(z + i), c = Vector256.Load(cos + i), s = Vector256.Load(sin + i);
            (a * c - b * s).Store(x + i);
            (b * c + a * s).Store(z + i);
        }
        for (; i < half; i++)
        {
            float a = x[i], b = z[i];
            x[i] = a * cos[i] - b * sin[i];
            z[i] = b * cos[i] + a * sin[i];
        }
    }

    private static void RotateAdjacent(float* x, int width, float* cos, float* sin)
    {
        for (var i = 0; i < width / 2; i++)
        {
            float a = x[2 * i], b = x[2 * i + 1];
            x[2 * i] = a * cos[i] - b * sin[i];
            x[2 * i + 1] = b * cos[i] + a * sin[i];
        }
    }
}
