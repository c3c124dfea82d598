using Generated.Architectures;
using Generated.Native;
using Generated.Parallel;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Generation;

/// <summary>
/// Prefill, then one decode step per call: the next token of every row of a batch. Rows go on until the caller stops asking.
/// It owns the KV cache and the tokens on the device; nothing grows from step to step but the cache, by doubling.
/// </summary>
internal sealed class TokenLoop : IDisposable
{
    private const int FirstReserve = 512;

    private readonly CausalModel _model;
    private readonly GenerationOptions _options;
    private readonly TokenBatch _prompt;
    private readonly SequenceInputs? _given;
    private readonly Sampler[] _samplers;
    private readonly long[] _next;
    private readonly int _longest;
    private KvCache? _cache;
    private SequenceInputs? _inputs;
    private Tensor? _ids;

    /// <param name="model">The model.</param>
    /// <param name="prompt">Padded prompts.</param>
    /// <param name="options">Checked options.</param>
    /// <param name="inputs">The prompt's positions and mask, where they do not follow from its ids.</param>
    public TokenLoop(CausalModel model, TokenBatch prompt, GenerationOptions options, SequenceInputs? inputs = null)
    {
        _given = inputs;
        _model = model;
        _options = options;
        _prompt = prompt;
        _longest = checked(prompt.Length + options.MaxTokens);
        _next = new long[prompt.Rows];
        _samplers = Sampler.IsArgMax(options) ? [] : [.. Enumerable.Range(0, prompt.Rows).Select(CreateSampler)];
    }

    /// <summary>Computes the next token of every row. The span is valid until the next call.</summary>
    public ReadOnlySpan<long> Next()
    {
        using var noGrad = torch.no_grad();
        using var logits = _inputs is null ? Prefill() : Decode();
        _ids?.Dispose();
        _ids = _samplers.Length == 0 ? ArgMax(logits) : Sample(logits);
        if (_model.Context.Group is { Size: > 1 } group)
            TakeFirstRanks(_ids, group);
        return _next;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ids?.Dispose();
        _cache?.Dispose();
        (_ids, _cache) = (null, null);
    }

    private Tensor Prefill()
    {
        _cache = _model.NewCache(_prompt.Rows, Math.Min(_longest, _prompt.Length + FirstReserve));
        _inputs = _given ?? _model.Inputs.Prompt(_prompt);
        using var pass = new PassContext(_inputs, _cache);
        using var ids = _prompt.ToTensor(_model.Device);
        var logits = _model.Prefill(ids, pass);
        if (_samplers.Length == 0)
            CheckFinite(logits);
        return logits;
    }

    private Tensor Decode()
    {
        _inputs = _model.Inputs.Continue(_inputs!);
        if (_inputs.Total > _cache!.MaxLength)
            _cache.Grow(Math.Min(_longest, 2 * _cache.MaxLength), _inputs.Past);
        using var pass = new PassContext(_inputs, _cache);
        return _model.Decode(_ids!, pass);
    }

    /// <summary>The arg max stays on the device as the next step's input; only the ids come to the host.</summary>
    private Tensor ArgMax(Tensor logits)
    {
        var ids = logits.argmax(-1);
        Read(ids);
        return ids;
    }

    /// <summary>
    /// All ranks go on with the first one's choice, whatever the last bit of their own logits is: ranks with different
    /// tokens, or that end at different ones, would never meet again.
    /// </summary>
    private void TakeFirstRanks(Tensor ids, ICollective group)
    {
        group.Broadcast(ids, 0);
        Read(ids);
    }

    private void Read(Tensor ids)
    {
        using var host = ids.cpu();
        Values<long>(host).CopyTo(_next);
    }

    private Tensor Sample(Tensor logits)
    {
        using var wide = logits.to_type(ScalarType.Float32);
        using var host = wide.cpu();
        using var rows = host.contiguous();
        var values = Values<float>(rows);
        var vocabulary = values.Length / _next.Length;
        for (var row = 0; row < _next.Length; row++)
            _next[row] = _samplers[row].Next(values.Slice(row * vocabulary, vocabulary));
        using var flat = tensor(_next, device: _model.Device);
        return flat.view(_next.Length, 1);
    }

    private Sampler CreateSampler(int row)
    {
        var sampler = new Sampler(_options, unchecked(_options.Seed + (ulong)row));
        sampler.Observe(Enumerable.Range(0, _prompt.Length).Where(column => _prompt.IsReal(row, column)).Select(column => (int)_prompt[row, column]));
        return sampler;
    }

    private static void CheckFinite(Tensor logits)
    {
        using var isNaN = logits.isnan();
        using var any = isNaN.any();
        if (any.item<bool>())
            throw new GeneratedException("The model's logits hold NaN; the weights are damaged or the dtype's range is too small (try --dtype float32).");
    }

    private static unsafe ReadOnlySpan<T> Values<T>(Tensor tensor) where T : unmanaged =>
        new((void*)TorchSharpExports.Address(tensor), checked((int)tensor.NumberOfElements));
}
