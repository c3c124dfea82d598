using Generated.Layers;
using Generated.Loading;
using Generated.Passes;
using Generated.Quant.Calibration;
using Generated.Quant.Formats;
using Generated.Quant.Pipeline;
using Generated.Quant.Recipes;
using Quant.Tests.Observers;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Pipeline;

/// <summary>
/// Scales of cached keys and values, from the written files, against what plain loops find in the keys and values of the exact model,
/// row by row and head by head.
/// </summary>
public sealed class CacheObserverTests
{
    private const double Apart = 1e-5; // padded batches and rows alone round differently

    static CacheObserverTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    [Theory]
    [InlineData("llama2-gqa", ActivationObserver.AbsMax)]
    [InlineData("llama2-gqa", ActivationObserver.Average)]
    [InlineData("llama2-gqa", ActivationObserver.Histogram)]
    [InlineData("llama2-gqa", ActivationObserver.Kl)]
    [InlineData("llama2-gqa", ActivationObserver.Mse)]
    [InlineData("llama2-gqa", ActivationObserver.Emd)]
    [InlineData("bloom", ActivationObserver.Histogram)]
    [InlineData("opt-postln", ActivationObserver.Mse)]
    public void EveryHead_HasTheScaleThatItsObserverIsDefinedBy(string fixture, ActivationObserver kind)
    {
        using var folder = new TemporaryFolder();
        // Rows of several lengths, so that some are padded; the percentile cuts something off only where there are 10,000 values.
        var rows = Fixtures.Rows(fixture, kind == ActivationObserver.Histogram ? 120 : 10).Select((row, i) => row[..(row.Length - i % 3)]).ToArray();
        File.WriteAllLines(folder["rows.jsonl"], rows.Select(row => $"{{\"ids\": [{string.Join(", ", row)}]}}"));
        Quantizer.Run(new QuantizeOptions
        {
            Source = Stories.Fixture(fixture),
            Target = folder["q"],
            Recipe = new() { KvCache = new() { Observer = kind } },
            CalibrationFile = folder["rows.jsonl"],
            Calibration = new CalibrationOptions { To = 1, TokensPerBatch = 48 },
        });
        var seen = Seen(fixture, rows);
        using var loaded = QuantizedLoader.Load(folder["q"], new LoadOptions { Dtype = ScalarType.Float32 });
        var clipped = 0;
        // Histograms for every candidate are slow in plain loops: divergences are compared in one attention.
        for (var i = 0; i < (kind == ActivationObserver.Kl ? 1 : loaded.Model.Context.Attentions.Count); i++)
        {
            var scales = loaded.Model.Context.Attentions[i].KvScales!;
            foreach (var (found, sequences) in scales.Keys.Zip(seen[i].Keys).Concat(scales.Values.Zip(seen[i].Values)))
            {
                NaiveThreshold.AssertIs(kind, sequences, 127.0 * found, Apart);
                clipped += 127.0 * found < sequences.Max(values => values.Max(Math.Abs)) * (1 - 1e-4) ? 1 : 0;
            }
        }

        Assert.Equal(kind == ActivationObserver.AbsMax, clipped == 0); // an observer that cuts nothing off would not be tested
    }

    /// <summary>For each attention and head, the keys and values of each row.</summary>
    private static List<(float[][][] Keys, float[][][] Values)> Seen(string fixture, int[][] rows)
    {
        using var loaded = ModelLoader.Load(Stories.Fixture(fixture), new LoadOptions { Dtype = ScalarType.Float32 });
        var model = loaded.Model;
        using var noGrad = no_grad();
        var probe = new CacheProbe();
        foreach (var batch in rows.Select(row => TokenBatch.LeftPadded([row], 0)))
        {
            using var pass = new PassContext(model.Inputs.Prompt(batch)) { Probe = probe };
            using var ids = batch.ToTensor(model.Device);
            model.Full(ids, pass).Dispose();
        }

        return [.. model.Context.Attentions.Select(attention => (ByHead(probe.Keys[attention]), ByHead(probe.Values[attention])))];
    }

    /// <summary>[row][head] to [head][row].</summary>
    private static float[][][] ByHead(List<float[][]> rows) => [.. Enumerable.Range(0, rows[0].Length).Select(head => rows.Select(row => row[head]).ToArray())];

    private sealed class CacheProbe : IProbe
    {
        public Dictionary<Attention, List<float[][]>> Keys { get; } = [];

        public Dictionary<Attention, List<float[][]>> Values { get; } = [];

        public void Hidden(int index, Tensor value)
        {
        }

        public void Named(string name, Tensor value)
        {
        }

        public void LinearInput(int block, string site, Tensor value)
        {
        }

        public void KeyValues(Attention attention, Tensor keys, Tensor values)
        {
            Add(Keys, attention, keys);
            Add(Values, attention, values);
        }

        private static void Add(Dictionary<Attention, List<float[][]>> seen, Attention attention, Tensor heads)
        {
            if (!seen.TryGetValue(attention, out var rows))
                seen.Add(attention, rows = []);
            using var scope = NewDisposeScope();
            rows.Add([.. Enumerable.Range(0, (int)heads.shape[1]).Select(head => heads[0, head].contiguous().data<float>().ToArray())]);
        }
    }
}
