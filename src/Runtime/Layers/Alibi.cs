namespace Generated.Layers;

/// <summary>Slopes of ALiBi (Press et al., 2021).</summary>
internal static class Alibi
{
    /// <summary>
    /// 2^(−8i/n) for n heads, a power of two; otherwise those of the next lower power of two, followed by every second of
    /// the next higher one.
    /// </summary>
    public static float[] Slopes(int heads)
    {
        var lower = 1;
        while (2 * lower <= heads)
            lower *= 2;
        var slopes = new float[heads];
        for (var i = 0; i < heads; i++)
            slopes[i] = (float)(i < lower
                ? Math.Pow(2, -8.0 * (i + 1) / lower)
                : Math.Pow(2, -8.0 * (2 * (i - lower) + 1) / (2 * lower)));
        return slopes;
    }
}
