using System.Diagnostics;
using Generated.Architectures;
using Generated.Layers;
using Generated.Passes;
using Generated.Quant.Layers;
using TorchSharp;

namespace Generated.Cli.Commands;

/// <summary>What one model did.</summary>
/// <param name="Weights">What the weights are, for people.</param>
/// <param name="Parameters">Number of weights.</param>
/// <param name="Bytes">Memory of the weights that a step reads.</param>
/// <param name="Prefill">Prompt tokens per second.</param>
/// <param name="Decode">Decoded tokens per second, over all rows.</param>
/// <param name="Step">Seconds of a decode step.</param>
internal sealed record BenchResult(string Weights, long Parameters, double Bytes, double Prefill, double Decode, double Step);

/// <summary>Times prompts and decode steps of a model; the best of several rounds counts.</summary>
internal sealed class BenchRun(CausalModel model, int batch, int prompt, int tokens)
{
    /// <param name="weights">What the weights are.</param>
    /// <param name="rounds">Rounds after one that is not counted.</param>
    /// <param name="started">Told, between rounds, how many are over; nothing is written while a clock runs.</param>
    public BenchResult Measure(string weights, int rounds, Action<int> started)
    {
        started(0);
        Round(); // Compiles kernels, fills allocators.
        var (prefill, step) = (double.MaxValue, double.MaxValue);
        for (var i = 0; i < rounds; i++)
        {
            started(i + 1);
            var round = Round();
            (prefill, step) = (Math.Min(prefill, round.Prefill), Math.Min(step, round.Step));
        }

        // Of an embedding that no head shares, a step reads one row.
        var looked = model.Weights().Any(w => w.IsTied) ? [] : model.Weights().Where(w => w.Layer is Embedding).Select(w => w.Parameter).ToHashSet();
        var dense = model.Parameters().Where(p => !looked.Contains(p)).Sum(p => p.Value.numel() * p.Value.ElementSize);
        var packed = model.Linears().Select(l => l.Linear).OfType<QuantizedLinear>().Sum(l => l.Bytes);
        return new BenchResult(weights, model.ParameterCount, dense + packed, batch * prompt / prefill, batch / step, step);
    }

    /// <summary>Seconds of a prompt and of one step.</summary>
    private (double Prefill, double Step) Round()
    {
        using var noGrad = torch.no_grad();
        using var cache = model.NewCache(batch, prompt + tokens);
        var inputs = model.Inputs.Prompt(new TokenBatch(batch, prompt, new long[batch * prompt]));
        using var ids = torch.zeros([batch, prompt], torch.ScalarType.Int64, model.Device);
        Synchronize();
        var clock = Stopwatch.StartNew();
        using (var pass = new PassContext(inputs, cache)) model.Prefill(ids, pass).Dispose();
        Synchronize();
        var prefill = clock.Elapsed.TotalSeconds;
        using var next = torch.zeros([batch, 1], torch.ScalarType.Int64, model.Device);
        clock.Restart();
        for (var step = 0; step < tokens; step++)
        {
            inputs = model.Inputs.Continue(inputs);
            using var pass = new PassContext(inputs, cache);
            using var logits = model.Decode(next, pass);
            using var choice = logits.argmax(-1);
            choice.cpu().Dispose(); // As generation does: the host must see the token.
        }

        return (prefill, clock.Elapsed.TotalSeconds / tokens);
    }

    private void Synchronize()
    {
        if (model.Device.type == DeviceType.CUDA) torch.cuda.synchronize();
    }
}
