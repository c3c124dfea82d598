using Generated.Architectures;
using Generated.Layers;
using Generated.Quant.Layers;
using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>Rounds the token embedding, where the recipe says so.</summary>
internal static class EmbeddingStage
{
    /// <summary>The codes; null where the embedding stays as it is.</summary>
    public static EmbeddingState? Quantize(CausalModel model, QuantRecipe recipe)
    {
        if (recipe.Embedding is not { } format)
            return null;
        return EmbeddingQuantizer.Quantize(Find(model).Weight.Value, format, recipe.Rounding);
    }

    /// <summary>Writes what the codes stand for over a model's embedding, for evaluation; a tied head that does not use them gets the matrix it had.</summary>
    public static void Round(CausalModel model, EmbeddingState state)
    {
        using var noGrad = no_grad();
        var embedding = Find(model);
        if (!state.Format.TiedHead)
        {
            foreach (var slot in model.Linears().Where(slot => slot.Linear is DenseLinear { TiedTo: not null }))
                slot.Linear = OwnMatrix(model, (DenseLinear)slot.Linear);
        }

        const int RowsAtOnce = 4096;
        for (var start = 0; start < state.Rows; start += RowsAtOnce)
        {
            var rows = Math.Min(RowsAtOnce, state.Rows - start);
            using var values = tensor(EmbeddingQuantizer.Dequantize(state, start, rows), [rows, state.Width]);
            using var place = embedding.Weight.Value.narrow(0, start, rows);
            place.copy_(values).Dispose(); // what it returns is another handle
        }

        embedding.Weight.Changed();
    }

    private static Embedding Find(CausalModel model) => model.Weights().Select(slot => slot.Layer).OfType<Embedding>().First();

    private static DenseLinear OwnMatrix(CausalModel model, DenseLinear tied)
    {
        var own = new DenseLinear(model.Context, tied.InWidth, tied.OutWidth, unitRows: tied.HasUnitRows);
        own.Weight.Value.copy_(tied.Weight.Value);
        return own;
    }
}
