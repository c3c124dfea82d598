using Generated.Quant.Calibration;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Methods;

/// <summary>Random matrices in plain arrays, and the same as tensors.</summary>
internal static class Data
{
    /// <summary>[rows][width] normal values.</summary>
    public static float[][] Normal(int seed, int rows, int width, Func<int, float>? columnScale = null)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, width).Select(c => Gauss(random) * (columnScale?.Invoke(c) ?? 1)).ToArray())];
    }

    /// <summary>Tokens whose channels depend on each other, some of them large: what a transformer's activations look like.</summary>
    public static float[][] Activations(int seed, int rows, int width)
    {
        var random = new Random(seed);
        var mix = Normal(seed + 1, width, width / 2 + 1);
        var scale = Enumerable.Range(0, width).Select(_ => random.Next(8) == 0 ? 20f : 1f).ToArray();
        return [.. Normal(seed + 2, rows, width / 2 + 1).Select(z =>
            Enumerable.Range(0, width).Select(c => scale[c] * (mix[c].Zip(z, (a, b) => a * b).Sum() + 0.3f * Gauss(random))).ToArray())];
    }

    public static Tensor Tensor(float[][] rows) => tensor(rows.SelectMany(row => row).ToArray()).reshape(rows.Length, rows[0].Length);

    public static float[][] Rows(Tensor matrix)
    {
        using var wide = matrix.to_type(ScalarType.Float32).contiguous();
        return [.. wide.data<float>().ToArray().Chunk((int)matrix.shape[1])];
    }

    public static ChannelStatistics Statistics(Tensor rows)
    {
        var statistics = new ChannelStatistics((int)rows.shape[1]);
        statistics.Add(rows);
        return statistics;
    }

    public static float Gauss(Random random) =>
        (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
}
