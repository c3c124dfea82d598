using Generated.Quant.Recipes;

namespace Quant.Tests.Methods;

/// <summary>The joint output error of a site in plain float64 loops, both sides quantized per output channel or group and per tensor.</summary>
internal static class NaiveError
{
    public static double Of(float[][] inputs, float[][][] weights, float[] scales, WeightFormat? format, bool staticActivations, bool isRelative = true)
    {
        var divided = inputs.Select(x => x.Select((v, c) => v / scales[c]).ToArray()).ToArray();
        if (staticActivations)
        {
            var scale = (float)(divided.SelectMany(x => x).Max(v => (double)Math.Abs(v)) / 127);
            divided = [.. divided.Select(x => x.Select(v => Math.Clamp(MathF.Round(v / scale), -128, 127) * scale).ToArray())];
        }

        double sum = 0;
        foreach (var weight in weights)
        {
            var quantized = weight.Select(row => Row([.. row.Select((v, c) => v * scales[c])], format)).ToArray();
            double error = 0, energy = 0;
            for (var t = 0; t < inputs.Length; t++)
            {
                for (var o = 0; o < weight.Length; o++)
                {
                    double expected = 0, found = 0;
                    for (var c = 0; c < scales.Length; c++)
                    {
                        expected += (double)inputs[t][c] * weight[o][c];
                        found += (double)divided[t][c] * quantized[o][c];
                    }

                    error += (expected - found) * (expected - found);
                    energy += expected * expected;
                }
            }

            sum += isRelative ? error / energy : error;
        }

        return sum;
    }

    private static float[] Row(float[] row, WeightFormat? format)
    {
        if (format is null)
            return row;
        var size = format.Per == Granularity.Group ? format.GroupSize : row.Length;
        return [.. row.Chunk(size).SelectMany(group =>
        {
            var grid = NaiveGrid.Fit([.. group.Select(v => (double)v)], format, Rounding.ToEven);
            return group.Select(v => (NaiveGrid.Code(v, grid, format, Rounding.ToEven) - grid.Zero) * grid.Scale);
        })];
    }
}
