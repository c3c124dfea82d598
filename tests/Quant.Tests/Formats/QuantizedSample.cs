using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Configuration;
using Generated.Layers;
using Generated.Loading;
using Generated.Passes;
using Generated.Quant.Formats;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using Generated.Quant.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Quant.Tests.Formats;

/// <summary>What a test quantizes a recorded checkpoint to. Rounding is the plainest there is: files are what is tested.</summary>
internal sealed record SampleOptions
{
    public int Bits { get; init; } = 8;
    public int GroupSize { get; init; }
    public bool Symmetric { get; init; } = true;
    public bool ActOrder { get; init; }

    /// <summary>Every third row has no negative weight, so that its zero points are 0.</summary>
    public bool OneSided { get; init; }
    public ActivationGranularity? Activations { get; init; }
    public bool Transforms { get; init; }
    public bool Biases { get; init; }
    public bool KvCache { get; init; }
    public EmbeddingFormat? Embedding { get; init; }
    public Func<LinearSlot, bool> Quantizes { get; init; } = slot => slot.Block >= 0;
}

/// <summary>A recorded checkpoint quantized in memory, to be written and compared with what is read back.</summary>
internal sealed class QuantizedSample : IDisposable
{
    private readonly SampleOptions _options;
    private readonly Dictionary<(int, string), LinearState> _states = [];
    private readonly LoadedModel _loaded;

    static QuantizedSample()
    {
        System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);
        QuantizedLoader.Register();
    }

    public QuantizedSample(string fixture, SampleOptions options)
    {
        _options = options;
        Source = Folders.Fixture(fixture);
        _loaded = ModelLoader.Load(Source, new LoadOptions { Dtype = ScalarType.Float32 });
        using var noGrad = no_grad();
        var random = new Random(3);
        foreach (var slot in Model.Linears().Where(l => l.Linear is DenseLinear { TiedTo: null }).ToList())
        {
            var dense = (DenseLinear)slot.Linear;
            if (options.Quantizes(slot))
            {
                var state = State(dense, random);
                _states.Add((slot.Block, slot.Path), state);
                slot.Linear = QuantizedLinear.Create(dense, state);
                dense.Dispose();
            }
            else if (options.Transforms)
            {
                if (options.Biases)
                    dense.EnsureBias();
                slot.Linear = TransformedLinear.Create(dense, Transform(dense.InWidth, random));
            }
        }

        foreach (var norm in Model.Weights().Select(w => w.Layer).OfType<INorm>().Distinct().Where(_ => options.Biases))
        {
            norm.EnsureBias();
            norm.Bias!.Value.fill_(0.25);
        }

        foreach (var attention in Model.Context.Attentions.Where(_ => options.KvCache))
            attention.RoundKeysAndValues(new KvScales([.. Enumerable.Range(1, attention.KvHeads).Select(h => 0.02f * h)], [.. Enumerable.Range(1, attention.KvHeads).Select(h => 0.03f * h)]));
        if (options.Embedding is { } format)
            Embedding = Quantize((Embedding)Model.Weights().First(w => w.Layer is Embedding).Layer, format);
    }

    public string Source { get; }

    public CausalModel Model => _loaded.Model;

    public EmbeddingState? Embedding { get; }

    public IReadOnlyDictionary<(int Block, string Path), LinearState> States => _states;

    public QuantizedCheckpointPlan Plan(string target, string fingerprint = "test") => new()
    {
        Target = target,
        Source = Source,
        Architecture = _loaded.Architecture,
        Config = Model.Config,
        Blocks = Model.AllBlocks.Count,
        DenseType = _ => ScalarType.Float32,
        Recipe = new QuantRecipe { Name = "sample" },
        CalibrationHash = "none",
        Fingerprint = fingerprint,
    };

    public void WritePart(QuantizedCheckpointWriter writer, int part)
    {
        var states = _states.Where(s => s.Key.Item1 == part).ToDictionary(s => s.Key.Item2, s => s.Value);
        if (part == QuantizedCheckpointWriter.Ends)
            writer.WriteEnds(Model, states, Embedding);
        else
        {
            var perBlock = Model.Context.Attentions.Count / Model.AllBlocks.Count;
            writer.WriteBlock(Model.AllBlocks[part], [.. Model.Context.Attentions.Skip(part * perBlock).Take(perBlock).Select(a => a.KvScales)], states);
        }
    }

    public void Write(string target)
    {
        using var writer = QuantizedCheckpointWriter.Begin(Plan(target));
        for (var part = QuantizedCheckpointWriter.Ends; part < Model.AllBlocks.Count; part++)
            WritePart(writer, part);
        writer.Complete();
    }

    /// <summary>Logits of a full pass over the recorded tokens, and those of prefill and decoding.</summary>
    public static (float[] Full, float[] Steps) Logits(CausalModel model, string fixture)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var golden = Checkpoint.Open(Path.Combine(Folders.Fixture(fixture), "golden.safetensors"));
        var recorded = golden.Info("input_ids");
        var tokens = PackedParts.Values<long>(golden, "input_ids")[..(int)recorded.Shape[1]];
        var ids = tensor(tokens).view(1, -1);
        var batch = new TokenBatch(1, tokens.Length, tokens);
        using var pass = new PassContext(model.Inputs.Prompt(batch));
        var full = model.Full(ids, pass).to(ScalarType.Float32).data<float>().ToArray();
        using var cache = model.NewCache(1, tokens.Length + 2);
        var inputs = model.Inputs.Prompt(batch);
        var steps = new List<float>();
        using (var prefill = new PassContext(inputs, cache))
            steps.AddRange(model.Prefill(ids, prefill).to(ScalarType.Float32).data<float>().ToArray());
        for (var i = 0; i < 2; i++)
        {
            inputs = model.Inputs.Continue(inputs);
            using var step = new PassContext(inputs, cache);
            steps.AddRange(model.Decode(ids.narrow(1, i, 1), step).to(ScalarType.Float32).data<float>().ToArray());
        }

        return (full, [.. steps]);
    }

    public void Dispose() => _loaded.Dispose();

    private static InputTransform Transform(int width, Random random) =>
        new([.. Enumerable.Range(0, width).Select(_ => (float)random.NextDouble() * 0.2f)], [.. Enumerable.Range(0, width).Select(_ => 0.5f + (float)random.NextDouble())]);

    private LinearState State(DenseLinear dense, Random random)
    {
        var transform = _options.Transforms ? Transform(dense.InWidth, random) : null;
        var bias = dense.Bias?.Value.data<float>().ToArray();
        if (_options.Biases)
            bias ??= [.. Enumerable.Range(0, dense.OutWidth).Select(_ => (float)random.NextDouble())];
        return new LinearState
        {
            Weight = Round(dense.Weight.Value.data<float>().ToArray(), dense.OutWidth, dense.InWidth, random),
            Bias = bias,
            Input = transform,
            Activations = _options.Activations is { } per ? new ActivationFormat { Per = per } : null,
            InputScale = _options.Activations == ActivationGranularity.Tensor ? 0.05f : null,
        };
    }

    private QuantizedWeight Round(float[] weight, int outWidth, int inWidth, Random random)
    {
        var size = _options.GroupSize == 0 ? inWidth : _options.GroupSize;
        var groups = (inWidth + size - 1) / size;
        var group = Enumerable.Range(0, inWidth).Select(k => k / size).ToArray();
        if (_options.ActOrder)
            random.Shuffle(group);
        var codes = new byte[weight.Length];
        var scales = new float[outWidth * groups];
        var zeros = new byte[scales.Length];
        var largestCode = (1 << _options.Bits) - 1;
        if (_options.OneSided)
            weight = [.. weight.Select((w, i) => i / inWidth % 3 == 0 ? Math.Abs(w) : w)];
        for (var o = 0; o < outWidth; o++)
            for (var g = 0; g < groups; g++)
            {
                var members = Enumerable.Range(0, inWidth).Where(k => group[k] == g).ToArray();
                var (low, high) = (Math.Min(0, members.Min(k => weight[o * inWidth + k])), Math.Max(0, members.Max(k => weight[o * inWidth + k])));
                if (_options.Symmetric)
                    (low, high) = (-Math.Max(-low, high), Math.Max(-low, high));
                var scale = scales[o * groups + g] = (float)(Half)((high - low) / largestCode);
                var zero = zeros[o * groups + g] = _options.Symmetric ? (byte)(1 << (_options.Bits - 1)) : (byte)Math.Round(-low / scale);
                foreach (var k in members)
                    codes[o * inWidth + k] = (byte)Math.Clamp(MathF.Round(weight[o * inWidth + k] / scale) + zero, 0, largestCode);
            }

        return new QuantizedWeight(outWidth, inWidth, _options.Bits, _options.GroupSize, codes, scales, _options.Symmetric ? null : zeros, _options.ActOrder ? group : null);
    }

    private static EmbeddingState Quantize(Embedding embedding, EmbeddingFormat format)
    {
        var weight = embedding.Weight.Value.data<float>().ToArray();
        var (limit, steps) = (format.Bits == 8 ? 127 : 32767, format.Bits == 8 ? 8.0 : 2048);
        var codes = new short[weight.Length];
        var scales = new float[embedding.Count];
        for (var row = 0; row < embedding.Count; row++)
        {
            var values = weight.AsSpan(row * embedding.Width, embedding.Width);
            var largest = 0f;
            foreach (var value in values)
                largest = Math.Max(largest, Math.Abs(value));
            scales[row] = format.Spacing == EmbeddingSpacing.AbsMax ? largest / limit : largest;
            for (var k = 0; k < values.Length; k++)
            {
                codes[row * embedding.Width + k] = format.Spacing == EmbeddingSpacing.AbsMax
                    ? (short)MathF.Round(values[k] / scales[row])
                    : (short)(Math.Sign(values[k]) * Math.Min(limit, 1 + Math.Round(-Math.Log2(Math.Abs(values[k]) / largest) * steps)));
            }
        }

        return new EmbeddingState(embedding.Count, embedding.Width, format, codes, scales);
    }
}
