using Generated.Architectures;
using Generated.Quant.Recipes.Rules;

namespace Generated.Quant.Recipes;

/// <summary>The facts of an actual config: nothing in them depends on a switch any more.</summary>
internal static class StructureFacts
{
    public static RecipeFacts Of(ModelStructure structure, string model, int? blocks)
    {
        return new RecipeFacts
        {
            Model = model,
            Linears = structure.Linears
                .Select(l => new LinearFacts(l.Path, l.Name, l.HasBias, l.Partition == TensorPartition.Row, l.TiedTo is not null))
                .ToContentList(),
            Norms = structure.NormGroups.Select(Norm).ToContentList(),
            PairTargets = structure.ScalePairs.SelectMany(p => p.Targets).ToContentList(),
            HasAttention = structure.Attentions.Count > 0,
            Sizes = new ContentList<SizeFacts>([new SizeFacts("this config", blocks, structure.Linears.Select(l => new InputFacts(l.Path, l.Input)).ToContentList())]),
        };
    }

    private static NormFacts Norm(NormGroup group) => new(
        group.Norm,
        group.HasBias,
        group.Linears.ToContentList(),
        group.Reason is { } reason
            ? new ContentList<ConflictFacts>([new ConflictFacts(reason, null, group.IsShortcut)])
            : ContentList<ConflictFacts>.Empty);
}
