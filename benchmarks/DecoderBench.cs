using System.Diagnostics;
using Generated.Architectures;
using Generated.Layers;
using Generated.Models;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Generated.Benchmarks;

/// <summary>The generated passes of LLaMA beside a LLaMA written by hand on TorchSharp's operators, in the same run on the same weights.</summary>
internal static class DecoderBench
{
    private static readonly (string Name, LlamaConfig Config)[] Shapes =
    [
        ("110M", new LlamaConfig { Vocab = 32000, Hidden = 768, Layers = 12, Heads = 12, Ffn = 2048 }),
        ("1.1B", new LlamaConfig { Vocab = 32000, Hidden = 2048, Layers = 22, Heads = 32, KvHeads = 4, Ffn = 5632 }),
    ];

    public static int Run(string[] args)
    {
        var wanted = args.Length > 0 ? args[0] : "";
        foreach (var (name, config) in Shapes)
            if (wanted.Length == 0 || wanted == name) Measure(name, config, prompt: 256, tokens: 16, rounds: 5);
        return 0;
    }

    private static void Measure(string name, LlamaConfig config, int prompt, int tokens, int rounds)
    {
        using var noGrad = no_grad();
        using var model = Llama.Create(config, new BuildOptions());
        foreach (var parameter in model.Parameters()) parameter.Value.normal_(0, 0.02);
        using var hand = new HandWrittenLlama(config, model);
        var ids = new long[prompt];
        for (var i = 0; i < prompt; i++) ids[i] = i % config.Vocab;

        var (generated, manual) = (new List<(double Prefill, double Step)>(), new List<(double Prefill, double Step)>());
        for (var round = 0; round <= rounds; round++)
        {
            var a = Generated(model, ids, tokens);
            var b = hand.Time(ids, tokens);
            if (round == 0) continue; // Warm-up.
            generated.Add(a);
            manual.Add(b);
        }

        var (prefill, step) = (Median(generated.Select(t => t.Prefill)), Median(generated.Select(t => t.Step)));
        var (handPrefill, handStep) = (Median(manual.Select(t => t.Prefill)), Median(manual.Select(t => t.Step)));
        Console.WriteLine(FormattableString.Invariant($"{name}: prefill {prompt / prefill:0.0} tokens/s, hand-written {prompt / handPrefill:0.0}, ratio {handPrefill / prefill:0.00}; decode {1 / step:0.00} tokens/s, hand-written {1 / handStep:0.00}, ratio {handStep / step:0.00}"));
    }

    private static (double Prefill, double Step) Generated(CausalModel model, long[] ids, int tokens)
    {
        using var cache = model.NewCache(1, ids.Length + tokens);
        var inputs = model.Inputs.Prompt(new TokenBatch(1, ids.Length, ids));
        using var tokensIn = tensor(ids).view(1, -1);
        var clock = Stopwatch.StartNew();
        using (var pass = new PassContext(inputs, cache)) model.Prefill(tokensIn, pass).Dispose();
        var prefill = clock.Elapsed.TotalSeconds;
        using var next = zeros([1, 1], ScalarType.Int64);
        clock.Restart();
        for (var i = 0; i < tokens; i++)
        {
            inputs = model.Inputs.Continue(inputs);
            using var pass = new PassContext(inputs, cache);
            model.Decode(next, pass).Dispose();
        }

        return (prefill, clock.Elapsed.TotalSeconds / tokens);
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted[sorted.Length / 2];
    }

    /// <summary>What one writes first with TorchSharp: operators, dispose scopes, a cache by concatenation into preallocated tensors.</summary>
    private sealed class HandWrittenLlama : IDisposable
    {
        private readonly LlamaConfig _config;
        private readonly Dictionary<string, Tensor> _weights;
        private readonly Tensor _cosines;
        private readonly Tensor _sines;

        public HandWrittenLlama(LlamaConfig config, Llama model)
        {
            _config = config;
            _weights = model.Weights().Where(w => w.Parameter is not null).ToDictionary(w => w.Name, w => w.Parameter!.Value);
            using var scope = NewDisposeScope();
            var frequencies = 1.0 / tensor(config.Theta).pow(arange(0, config.HeadDim, 2, dtype: ScalarType.Float32) / config.HeadDim);
            var angles = outer(arange(4096, dtype: ScalarType.Float32), frequencies.to(ScalarType.Float32));
            var both = cat([angles, angles], -1);
            (_cosines, _sines) = (both.cos().DetachFromDisposeScope(), both.sin().DetachFromDisposeScope());
        }

        public (double Prefill, double Step) Time(long[] ids, int tokens)
        {
            using var outer = NewDisposeScope();
            var caches = Enumerable.Range(0, _config.Layers)
                .Select(_ => (K: zeros([1, _config.KvHeads, ids.Length + tokens, _config.HeadDim]), V: zeros([1, _config.KvHeads, ids.Length + tokens, _config.HeadDim]))).ToArray();
            var clock = Stopwatch.StartNew();
            Forward(tensor(ids).view(1, -1), 0, caches).Dispose();
            var prefill = clock.Elapsed.TotalSeconds;
            clock.Restart();
            for (var i = 0; i < tokens; i++) Forward(zeros([1, 1], ScalarType.Int64), ids.Length + i, caches).Dispose();
            return (prefill, clock.Elapsed.TotalSeconds / tokens);
        }

        public void Dispose()
        {
            _cosines.Dispose();
            _sines.Dispose();
        }

        private Tensor Forward(Tensor ids, int past, (Tensor K, Tensor V)[] caches)
        {
            using var scope = NewDisposeScope();
            var length = ids.shape[1];
            var x = _weights["model.embed_tokens.weight"].index_select(0, ids.view(-1)).view(1, length, -1);
            var (cosines, sines) = (_cosines.narrow(0, past, length), _sines.narrow(0, past, length));
            for (var i = 0; i < _config.Layers; i++)
            {
                var name = $"model.layers.{i}.";
                var a = Norm(x, name + "input_layernorm.weight");
                var q = Rotate(Heads(a, name + "self_attn.q_proj.weight", _config.Heads), cosines, sines);
                var k = Rotate(Heads(a, name + "self_attn.k_proj.weight", _config.KvHeads), cosines, sines);
                var v = Heads(a, name + "self_attn.v_proj.weight", _config.KvHeads);
                caches[i].K.narrow(2, past, length).copy_(k);
                caches[i].V.narrow(2, past, length).copy_(v);
                var keys = caches[i].K.narrow(2, 0, past + length).repeat_interleave(_config.Heads / _config.KvHeads, 1);
                var values = caches[i].V.narrow(2, 0, past + length).repeat_interleave(_config.Heads / _config.KvHeads, 1);
                var attended = F.scaled_dot_product_attention(q, keys, values, is_casual: length > 1);
                x = x + F.linear(attended.transpose(1, 2).reshape(1, length, _config.QWidth), _weights[name + "self_attn.o_proj.weight"]);
                var m = Norm(x, name + "post_attention_layernorm.weight");
                var gated = F.silu(F.linear(m, _weights[name + "mlp.gate_proj.weight"])) * F.linear(m, _weights[name + "mlp.up_proj.weight"]);
                x = x + F.linear(gated, _weights[name + "mlp.down_proj.weight"]);
            }

            return F.linear(Norm(x.narrow(1, length - 1, 1), "model.norm.weight"), _weights["lm_head.weight"]).MoveToOuterDisposeScope();
        }

        private Tensor Norm(Tensor x, string weight) => x * (x.pow(2).mean([-1], keepdim: true) + _config.Epsilon).rsqrt() * _weights[weight];

        private Tensor Heads(Tensor x, string weight, int heads) => F.linear(x, _weights[weight]).view(1, x.shape[1], heads, _config.HeadDim).transpose(1, 2);

        private static Tensor Rotate(Tensor x, Tensor cosines, Tensor sines)
        {
            var half = x.shape[3] / 2;
            var turned = cat([-x.narrow(3, half, half), x.narrow(3, 0, half)], -1);
            return (x * cosines) + (turned * sines);
        }
    }
}
