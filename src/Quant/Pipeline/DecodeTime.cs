using System.Diagnostics;
using Generated.Layers;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>Time of one decoded token: the median of some steps behind a short prompt.</summary>
internal static class DecodeTime
{
    /// <summary>Most tokens of the prompt.</summary>
    public const int Prompt = 16;

    private const int Warmup = 2;
    private const int Steps = 7;

    /// <summary>Milliseconds of a step.</summary>
    /// <param name="context">What the layers were built with.</param>
    /// <param name="first">The prompt's positions and mask.</param>
    /// <param name="scheme">The model's input scheme.</param>
    /// <param name="prefill">Runs the prompt.</param>
    /// <param name="decode">Runs one more token.</param>
    public static double Of(BuildContext context, SequenceInputs first, IInputScheme scheme, Func<PassContext, Tensor> prefill, Func<PassContext, Tensor> decode)
    {
        using var noGrad = no_grad();
        using var cache = KvCache.Create(context.CacheShapes, 1, first.Length + Warmup + Steps, context.Dtype, context.Device);
        using (var pass = new PassContext(first, cache))
            prefill(pass).Dispose();
        var times = new List<double>();
        for (var i = 0; i < Warmup + Steps; i++)
        {
            first = scheme.Continue(first);
            using var pass = new PassContext(first, cache);
            Synchronize(context.Device);
            var start = Stopwatch.GetTimestamp();
            decode(pass).Dispose();
            Synchronize(context.Device);
            if (i >= Warmup)
                times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        return times.Order().ElementAt(times.Count / 2);
    }

    /// <summary>A device works on while the host goes on: without this only the launches would be timed.</summary>
    private static void Synchronize(Device device)
    {
        if (device.type == DeviceType.CUDA)
            cuda.synchronize();
    }
}
