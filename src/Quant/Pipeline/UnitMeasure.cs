using Generated.Layers;
using Generated.Loading;
using Generated.Passes;
using Generated.Quant.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>What a unit costs.</summary>
/// <param name="Dense">Values that are kept in the model's type.</param>
/// <param name="Packed">Bytes of what is packed.</param>
/// <param name="Milliseconds">Time of one decoded token.</param>
internal sealed record UnitMeasure(long Dense, long Packed, double Milliseconds)
{
    /// <summary>Measures a unit: the median of some decode steps behind a short prompt.</summary>
    /// <param name="unit">The unit; what is before the blocks only looks rows up, and is not timed.</param>
    /// <param name="prompt">Where a prompt is taken from.</param>
    /// <param name="scheme">The model's input scheme.</param>
    public static UnitMeasure Of(Unit unit, UnitPrompt prompt, IInputScheme scheme) =>
        new(DenseIn(unit), PackedIn(unit), Time(unit, prompt, scheme));

    /// <summary>Memory of its weights in a model of a type.</summary>
    public long Bytes(ScalarType type) => Dense * (type is ScalarType.Float32 ? 4 : type is ScalarType.Float64 ? 8 : 2) + Packed;

    /// <summary>The same with the embedding in codes; a head of its own, where one was tied to it, is counted already.</summary>
    public UnitMeasure With(EmbeddingState? embedding) => embedding is null
        ? this
        : this with
        {
            Dense = Dense - (long)embedding.Rows * embedding.Width,
            Packed = Packed + (long)embedding.Rows * (embedding.Width * embedding.Format.Bits / 8 + sizeof(float)),
        };

    private static long DenseIn(Unit unit) =>
        unit.Slots.Select(slot => slot.Parameter ?? (slot.Layer as Embedding)?.Weight).OfType<Parameter>().Distinct().Sum(p => p.Shape.Aggregate(1L, (count, size) => count * size));

    private static long PackedIn(Unit unit) => unit.Linears.Values.Select(slot => slot.Linear).OfType<QuantizedLinear>().Sum(linear => linear.Bytes);

    private static double Time(Unit unit, UnitPrompt prompt, IInputScheme scheme)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var (input, first) = prompt.FirstTokens(DecodeTime.Prompt);
        if (input.dim() != 3)
            return 0;
        var token = input.narrow(1, first.Length - 1, 1).contiguous();
        using var alike = new StandIns(unit);
        return DecodeTime.Of(unit.Context, first, scheme, pass => unit.Prefill(input, pass), pass => unit.Decode(token, pass));
    }

    /// <summary>What is read from the checkpoint would be in memory in a model that is used.</summary>
    private sealed class StandIns(Unit unit) : IDisposable
    {
        private readonly List<IDisposable> _all = [.. unit.Linears.Values.Select(slot => slot.Linear).OfType<StreamedLinear>().Select(linear => linear.StandIn())];

        public void Dispose() => _all.ForEach(standIn => standIn.Dispose());
    }
}
