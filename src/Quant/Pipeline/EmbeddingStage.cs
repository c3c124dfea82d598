using Generated.Architectures;
using Generated.Layers;
using Generated.Loading;
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
        var embedding = Find(model);
        return EmbeddingQuantizer.Quantize(embedding.Table as StreamedEmbedding ?? (IWeightRows)new TensorRows(embedding.Weight.Value), format, recipe.Rounding);
    }

    /// <summary>Writes what the codes stand for over a model's embedding, for evaluation; a tied head that does not use them gets the matrix it had.</summary>
    public static void Round(CausalModel model, EmbeddingState state)
    {
        using var noGrad = no_grad();
        var embedding = Find(model);
        if (!state.Format.TiedHead)
        {
            foreach (var slot in model.Linears())
                Untying.Untie(slot, model.Context);
        }

        if (embedding.Table is StreamedEmbedding streamed)
        {
            streamed.ReadFrom(Read);
            foreach (var slot in model.Linears())
            {
                if (slot.Linear is StreamedLinear { IsTied: true } head)
                    head.ReadFrom(Read);
            }

            return;
        }

        const int RowsAtOnce = 4096;
        for (var start = 0; start < state.Rows; start += RowsAtOnce)
        {
            var rows = new WeightRange(start, Math.Min(RowsAtOnce, state.Rows - start));
            using var place = embedding.Weight.Value.narrow(0, start, rows.Length);
            Read(rows, place);
        }

        embedding.Weight.Changed();

        void Read(WeightRange rows, Tensor destination)
        {
            using var scope = NewDisposeScope();
            destination.copy_(tensor(EmbeddingQuantizer.Dequantize(state, (int)rows.Start, (int)rows.Length), [rows.Length, state.Width]));
        }
    }

    private static Embedding Find(CausalModel model) => model.Weights().Select(slot => slot.Layer).OfType<Embedding>().First();
}
