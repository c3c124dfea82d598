using Generated.Architectures;
using Generated.Layers;
using Generated.Quant.Formats;
using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using Generated.Quant.Recipes.Rules;

namespace Generated.Quant.Pipeline;

/// <summary>What a recipe will make of a model, found from shapes alone: for refusing before hours of work what could not be written after them.</summary>
internal static class PlannedManifest
{
    /// <summary>The contents of the checkpoint that quantizing will give.</summary>
    /// <param name="recipe">The recipe, checked against the structure.</param>
    /// <param name="shapes">The model without memory.</param>
    public static Manifest Of(QuantRecipe recipe, CausalModel shapes)
    {
        var manifest = new Manifest { Embedding = recipe.Embedding };
        for (var block = -1; block < shapes.AllBlocks.Count; block++)
        {
            using var unit = new ShapeUnit(shapes, block);
            foreach (var site in SitePlan.Of(recipe, shapes.Structure, unit))
                Add(manifest, recipe, site, unit);
        }

        if (recipe.KvCache is not null)
            manifest.KvLayers.UnionWith(Enumerable.Range(0, shapes.Context.Attentions.Count));
        return manifest;
    }

    private static void Add(Manifest manifest, QuantRecipe recipe, SitePlan site, ShapeUnit unit)
    {
        var isInserted = site.Absorber == Absorber.Inserted;
        foreach (var linear in site.Linears)
        {
            var dense = (DenseLinear)unit.Linears[linear.Path].Linear;
            var isShifted = site.Shifts && (linear.IsQuantized || !isInserted);
            if (linear.IsQuantized || (isShifted && dense.Bias is null))
            {
                manifest.Linears.Add(ModelNames.At(linear.Info.Name, unit.Block), Format(recipe, linear, dense) with
                {
                    HasBias = dense.Bias is not null || isShifted,
                    HasShift = linear.IsQuantized && isInserted && site.Shifts,
                    HasDivisor = linear.IsQuantized && isInserted && site.Scales,
                });
            }
        }

        if (site is { Absorber: Absorber.Norm, Shifts: true } && unit.Norm(site.Norm!.Norm).Bias is null)
            manifest.NormBiases.Add(ModelNames.Stem(unit.NormName(site.Norm.Norm)));
    }

    private static LinearFormat Format(QuantRecipe recipe, LinearPlan linear, DenseLinear dense)
    {
        if (linear.Choice.Weights is not { } format)
            return new LinearFormat();
        var size = WeightGrid.GroupSize(format, dense.InWidth);
        var isGrouped = size < dense.InWidth;
        return new LinearFormat
        {
            Bits = format.Bits,
            GroupSize = isGrouped ? size : 0,
            HasZeros = !format.Symmetric,
            HasOrder = isGrouped && recipe.Gptq is { ActOrder: true, StaticGroups: false },
            Activations = linear.Choice.Activations?.Per,
        };
    }

    /// <summary>A block, or what is outside blocks, without memory.</summary>
    private sealed class ShapeUnit(CausalModel model, int block) : Unit
    {
        public override int Block => block;

        public override string Title => block < 0 ? "what is outside blocks" : $"block {block}";

        public override IEnumerable<WeightSlot> Slots => block < 0 ? model.WeightsOutsideBlocks() : model.AllBlocks[block].Weights();

        public override BuildContext Context => model.Context;

        public string NormName(string path) => Slots.First(slot => ReferenceEquals(slot.Layer, Norm(path))).Name;

        public override TorchSharp.torch.Tensor Run(TorchSharp.torch.Tensor input, Passes.PassContext pass) => throw new NotSupportedException("A model of shapes does not run.");

        public override void Dispose()
        {
        }

        protected override IEnumerable<LinearSlot> FindLinears() => model.Linears().Where(slot => slot.Block == block);
    }
}
