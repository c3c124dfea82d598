using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Generated;
using Generated.Layers;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Layers;

/// <summary>Eager = full = prefill + decode, whatever a declaration switches on.</summary>
public sealed class PassAgreementTests
{
    /// <summary>A prefix decoder with left padding and hidden columns, as ChatGLM's and GLM's schemes describe them.</summary>
    private sealed class PrefixInputs(int[] starts, int[] prefixEnds, (int, int)[] hidden) : IInputScheme
    {
        public SequenceInputs Prompt(TokenBatch batch)
        {
            var positions = new long[batch.Rows * batch.Length];
            var blocks = new long[positions.Length];
            for (var row = 0; row < batch.Rows; row++)
                for (var column = starts[row]; column < batch.Length; column++)
                {
                    positions[row * batch.Length + column] = Math.Min(column, prefixEnds[row]) - starts[row];
                    blocks[row * batch.Length + column] = Math.Max(0, column - prefixEnds[row] + 1);
                }

            var mask = new AttentionMask { Starts = starts, PrefixEnds = prefixEnds, Hidden = hidden };
            return new SequenceInputs(batch.Rows, batch.Length, 0, positions, mask, blocks);
        }

        public SequenceInputs Continue(SequenceInputs previous, int count = 1)
        {
            var positions = Enumerable.Range(0, previous.Rows).SelectMany(r => Enumerable.Repeat(previous.Positions[(r + 1) * previous.Length - 1], count));
            return new SequenceInputs(
                previous.Rows, count, previous.Total, [.. positions], previous.Mask,
                PaddingRules.Following(previous.BlockPositions!, previous.Rows, previous.Length, count))
            { PromptLength = previous.PromptLength };
        }
    }

    private static readonly (string Name, TinyConfig Config)[] Features =
    [
        ("plain", new()),
        ("grouped heads", new() { Heads = 6, KvHeads = 2 }),
        ("one key/value head", new() { KvHeads = 1, Bias = true }),
        ("ALiBi", new() { IsRotary = false, Alibi = true }),
        ("ALiBi, 6 heads of 3 groups", new() { IsRotary = false, Alibi = true, Heads = 6, KvHeads = 3 }),
        ("window", new() { Window = 3, KvHeads = 2 }),
        ("adjacent half rotary", new() { RotaryDim = 4, Pairing = RotaryPairing.Adjacent, KvHeads = 2 }),
        ("half rotary by halves", new() { RotaryDim = 4 }),
        ("two-dimensional rotary, prefix", new() { Positions = PositionKind.SequenceAndBlock, Prefix = true, LayerNorm = true }),
        ("learned positions", new() { IsRotary = false, PositionOffset = 2, LayerNorm = true, Bias = true, Tied = true }),
        ("scale", new() { Scale = 0.5 }),
        ("unit rows", new() { UnitRows = true }),
        ("log-n", new() { LogNLength = 6 }),
        ("linear scaling", new() { Scaling = RopeScaling.Linear(4) }),
        ("LLaMA 3 scaling", new() { Scaling = RopeScaling.Llama3(8, 1, 4, 16) }),
        ("prefix and window", new() { Prefix = true, Window = 5, Heads = 4, KvHeads = 2 }),
    ];

    public static TheoryData<string> FeatureNames => [.. Features.Select(f => f.Name)];

    [Theory]
    [MemberData(nameof(FeatureNames))]
    public void Feature_PassesAgree(string feature)
    {
        var config = Features.First(f => f.Name == feature).Config;
        Check(config, new Random(feature.Length), rows: 1, prompt: 7, steps: 4, padded: false);
        Check(config, new Random(feature.Length + 1), rows: 3, prompt: 9, steps: 3, padded: true);
    }

    [Property(MaxTest = 40)]
    public bool RandomConfig_PassesAgree(int seed)
    {
        var random = new Random(seed);
        T Choose<T>(params T[] choices) => choices[random.Next(choices.Length)];
        var groups = Choose(1, 2, 3);
        var kvHeads = Choose(1, 2, 4);
        var headDim = Choose(4, 8, 20);
        var config = new TinyConfig
        {
            Vocab = Choose(11, 64),
            Hidden = Choose(8, 24, 40),
            Layers = Choose(1, 2),
            KvHeads = kvHeads,
            Heads = kvHeads * groups,
            HeadDim = headDim,
            Ffn = Choose(8, 33),
            IsRotary = Choose(true, true, false),
            RotaryDim = Choose(0, 4),
            Pairing = Choose(RotaryPairing.Halves, RotaryPairing.Adjacent),
            Alibi = Choose(true, false, false),
            Window = Choose(0, 0, 2, 5),
            Prefix = Choose(true, false),
            Bias = Choose(true, false),
            LayerNorm = Choose(true, false),
            Tied = Choose(true, false),
            UnitRows = Choose(true, false, false),
            LogNLength = Choose(0, 0, 3),
            Scale = Choose(0, 0, 0.3),
            PositionOffset = Choose(-1, -1, 0, 2),
        };
        var (rows, prompt, steps, padded) = (Choose(1, 2, 4), Choose(1, 2, 5, 12), Choose(1, 3), Choose(true, false));
        try
        {
            Check(config, random, rows, prompt, steps, padded);
        }
        catch (Xunit.Sdk.XunitException e)
        {
            throw new InvalidOperationException($"{config}, {rows} rows, prompt of {prompt}, {steps} steps, {(padded ? "padded" : "not padded")}: {e.Message}");
        }

        return true;
    }

    [Fact]
    public void DynamicScaling_FullAgreesWithEager_AndPrefillWithFull()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = Weights.Model(new TinyConfig { Scaling = RopeScaling.Dynamic(2, 6) });
        var batch = Batch(new Random(3), model, 2, 11, null);
        using var ids = batch.ToTensor(CPU);
        using var pass = new PassContext(model.Inputs.Prompt(batch));
        var full = model.Full(ids, pass);
        Weights.Close(model.Eager(ids, pass), full, "full");
        using var cache = model.NewCache(2, 11);
        using var prefill = new PassContext(model.Inputs.Prompt(batch), cache);
        Weights.Close(full.narrow(1, 10, 1), model.Prefill(ids, prefill), "prefill");
    }

    /// <summary>A prompt past the trained length picks the base; the following steps keep it (Qwen).</summary>
    [Fact]
    public void QwenScaling_StepsKeepThePromptsBase()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = Weights.Model(new TinyConfig { Scaling = RopeScaling.QwenNtk(4), LogNLength = 4 });
        var batch = Batch(new Random(3), model, 2, 12, null);
        using var ids = batch.ToTensor(CPU);
        var prompt = new TokenBatch(2, 9, [.. Enumerable.Range(0, 18).Select(i => batch[i / 9, i % 9])]);
        var whole = new SequenceInputs(2, 12, 0, model.Inputs.Prompt(batch).Positions, AttentionMask.Causal) { PromptLength = 9 };
        using var pass = new PassContext(whole);
        var expected = model.Full(ids, pass);
        using var cache = model.NewCache(2, 12);
        Steps(model, model.Inputs.Prompt(prompt), prompt, ids, cache, expected);
        using var other = new PassContext(new SequenceInputs(2, 12, 0, whole.Positions, AttentionMask.Causal) { PromptLength = 3 });
        using var unstretched = model.Full(ids, other);
        Assert.True((unstretched - expected).abs().max().item<float>() > 1e-3, "the base did not matter");
        using var training = new PassContext(whole) { Training = true };
        Assert.True((model.Full(ids, training) - expected).abs().max().item<float>() > 1e-3, "training is not stretched");
    }

    private static TokenBatch Batch(Random random, TinyDecoder model, int rows, int length, int[]? starts) => new(
        rows, length,
        [.. Enumerable.Range(0, rows * length).Select(_ => (long)random.Next(((TinyConfig)model.Config).Vocab))],
        starts is null ? null : [.. Enumerable.Range(0, rows * length).Select(i => i % length >= starts[i / length])]);

    private static void Check(TinyConfig config, Random random, int rows, int prompt, int steps, bool padded)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = Weights.Model(config, seed: random.Next(1000));
        var starts = padded ? Enumerable.Range(0, rows).Select(r => r == 0 ? 0 : random.Next(prompt)).ToArray() : new int[rows];
        var total = prompt + steps;
        var batch = Batch(random, model, rows, total, padded ? starts : null);
        var usesScheme = config.Prefix || config.Positions != PositionKind.Sequence;
        int[] ends = [.. starts.Select(s => random.Next(s, prompt))];
        (int, int)[] hidden = [.. ends.Select(e => (e, random.Next(e, prompt)))];
        IInputScheme scheme = usesScheme ? new PrefixInputs(starts, ends, hidden.Any(h => h.Item2 < h.Item1) ? new (int, int)[rows] : hidden) : model.Inputs;
        using var ids = batch.ToTensor(CPU);
        using var pass = new PassContext(scheme.Prompt(batch));
        var full = model.Full(ids, pass);
        Weights.Close(model.Eager(ids, pass), full, "full");
        Assert.False(full.isnan().any().item<bool>(), "padding must stay finite");

        var first = new TokenBatch(rows, prompt, [.. Enumerable.Range(0, rows * prompt).Select(i => batch[i / prompt, i % prompt])],
            padded ? [.. Enumerable.Range(0, rows * prompt).Select(i => batch.IsReal(i / prompt, i % prompt))] : null);
        using var cache = model.NewCache(rows, total);
        Steps(model, scheme.Prompt(first), first, ids, cache, full, scheme);
        if (prompt > 2 && !usesScheme && !padded)
            CheckChunks(model, scheme, batch, ids, full, prompt);
    }

    /// <summary>Prefill, then token by token, each compared with the full pass.</summary>
    private static void Steps(TinyDecoder model, SequenceInputs inputs, TokenBatch prompt, Tensor ids, KvCache cache, Tensor full, IInputScheme? scheme = null)
    {
        scheme ??= model.Inputs;
        using (var pass = new PassContext(inputs, cache))
        using (var part = ids.narrow(1, 0, prompt.Length))
            Weights.Close(full.narrow(1, prompt.Length - 1, 1), model.Prefill(part, pass), "prefill");
        for (var column = prompt.Length; column < ids.shape[1]; column++)
        {
            inputs = scheme.Continue(inputs);
            using var pass = new PassContext(inputs, cache);
            using var token = ids.narrow(1, column, 1);
            using var logits = model.Decode(token, pass);
            Weights.Close(full.narrow(1, column, 1), logits, $"step {column - prompt.Length}");
        }
    }

    /// <summary>A prompt in two pieces, the second after cached tokens.</summary>
    private static void CheckChunks(TinyDecoder model, IInputScheme scheme, TokenBatch batch, Tensor ids, Tensor full, int prompt)
    {
        var first = new TokenBatch(batch.Rows, 2, [.. Enumerable.Range(0, batch.Rows * 2).Select(i => batch[i / 2, i % 2])]);
        using var cache = model.NewCache(batch.Rows, 2);
        var inputs = scheme.Prompt(first);
        using (var pass = new PassContext(inputs, cache))
        using (var part = ids.narrow(1, 0, 2))
            model.Prefill(part, pass).Dispose();
        cache.Grow(prompt, used: 2);
        inputs = scheme.Continue(inputs, prompt - 2);
        using var second = new PassContext(inputs, cache);
        using var rest = ids.narrow(1, 2, prompt - 2);
        using var logits = model.Prefill(rest, second);
        Weights.Close(full.narrow(1, prompt - 1, 1), logits, "second piece of the prompt");
    }
}
