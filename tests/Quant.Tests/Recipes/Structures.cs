using Generated.Architectures;
using Generated.Models;

namespace Quant.Tests.Recipes;

/// <summary>Structures of published sizes, and of configs that switch their wiring.</summary>
internal static class Structures
{
    public static ModelStructure Of(string preset)
    {
        ArchitectureRegistry.Register(GeneratedArchitectures.All);
        var (architecture, sizes) = ArchitectureRegistry.FindPreset(preset);
        return architecture.StructureOf(sizes.Config());
    }

    public static ModelStructure Bloom(bool residualAfterNorm) => Generated.Models.Bloom.StructureOf(BloomConfig.Bloom560M with { ResidualAfterNorm = residualAfterNorm });

    public static ModelStructure Opt(bool normBefore) => Generated.Models.Opt.StructureOf(OptConfig.Opt6B7 with { NormBefore = normBefore });

    public static ModelStructure ChatGlm2(bool residualAfterNorm) =>
        Generated.Models.ChatGlm2.StructureOf(ChatGlm2Config.ChatGlm2With6B with { ResidualAfterNorm = residualAfterNorm });
}
