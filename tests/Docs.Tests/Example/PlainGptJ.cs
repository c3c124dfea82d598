using Generated.Checkpoints;

namespace Docs.Tests.Example;

/// <summary>GPT-J written down with loops in float64 from its description (Wang and Komatsuzaki, 2021), reading a checkpoint by name.</summary>
internal sealed class PlainGptJ(Checkpoint file, int layers, int heads, int rotaryDim, double epsilon)
{
    private readonly Dictionary<string, double[]> _weights = file.Tensors.ToDictionary(t => t.Key, t =>
    {
        using var tensor = file.Load(t.Key);
        return tensor.data<float>().Select(v => (double)v).ToArray();
    });

    /// <summary>Logits of each position.</summary>
    public double[][] Logits(int[] ids)
    {
        var embedding = _weights["transformer.wte.weight"];
        var hidden = _weights["transformer.ln_f.weight"].Length;
        var x = ids.Select(id => embedding[(id * hidden)..((id + 1) * hidden)]).ToArray();
        for (var layer = 0; layer < layers; layer++)
            x = Block(x, $"transformer.h.{layer}.");
        return [.. x.Select(row => Linear(Norm(row, "transformer.ln_f"), "lm_head"))];
    }

    private double[][] Block(double[][] x, string prefix)
    {
        var n = x.Select(row => Norm(row, prefix + "ln_1")).ToArray();
        var q = n.Select((row, position) => Rotate(Linear(row, prefix + "attn.q_proj"), position)).ToArray();
        var k = n.Select((row, position) => Rotate(Linear(row, prefix + "attn.k_proj"), position)).ToArray();
        var v = n.Select(row => Linear(row, prefix + "attn.v_proj")).ToArray();
        return [.. x.Select((row, t) =>
        {
            var attention = Linear(Attend(q[t], k[..(t + 1)], v[..(t + 1)]), prefix + "attn.out_proj");
            var mlp = Linear([.. Linear(n[t], prefix + "mlp.fc_in").Select(Gelu)], prefix + "mlp.fc_out");
            return row.Select((value, i) => value + attention[i] + mlp[i]).ToArray();
        })];
    }

    private double[] Attend(double[] query, double[][] keys, double[][] values)
    {
        var (result, width) = (new double[query.Length], query.Length / heads);
        for (var head = 0; head < heads; head++)
        {
            var at = head * width;
            var scores = keys.Select(key => Enumerable.Range(at, width).Sum(i => query[i] * key[i]) / Math.Sqrt(width)).ToArray();
            var weights = scores.Select(s => Math.Exp(s - scores.Max())).ToArray();
            for (var i = at; i < at + width; i++)
                result[i] = values.Select((value, s) => weights[s] / weights.Sum() * value[i]).Sum();
        }

        return result;
    }

    /// <summary>Turns the first features of each head, in pairs of neighbours.</summary>
    private double[] Rotate(double[] x, int position)
    {
        var (result, width) = ((double[])x.Clone(), x.Length / heads);
        for (var head = 0; head < heads; head++)
            for (var pair = 0; pair < rotaryDim / 2; pair++)
            {
                var i = (head * width) + (2 * pair);
                var angle = position * Math.Pow(10000, -2.0 * pair / rotaryDim);
                result[i] = (x[i] * Math.Cos(angle)) - (x[i + 1] * Math.Sin(angle));
                result[i + 1] = (x[i + 1] * Math.Cos(angle)) + (x[i] * Math.Sin(angle));
            }

        return result;
    }

    private double[] Norm(double[] x, string name)
    {
        var mean = x.Average();
        var deviation = Math.Sqrt(x.Average(v => (v - mean) * (v - mean)) + epsilon);
        return [.. x.Select((v, i) => ((v - mean) / deviation * _weights[name + ".weight"][i]) + _weights[name + ".bias"][i])];
    }

    private double[] Linear(double[] x, string name)
    {
        var (weight, bias) = (_weights[name + ".weight"], _weights.GetValueOrDefault(name + ".bias"));
        return [.. Enumerable.Range(0, weight.Length / x.Length).Select(o => Enumerable.Range(0, x.Length).Sum(i => weight[(o * x.Length) + i] * x[i]) + (bias?[o] ?? 0))];
    }

    private static double Gelu(double x) => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))));
}
