using Generated.Generators.Printing;
using Generators.Tests.Analysis.Declarations;

namespace Generators.Tests.Snapshots;

/// <summary>The emitted source of whole declarations, in full.</summary>
public sealed class ClassSnapshots
{
    [Fact]
    public void LlamaBlock_Printed_IsAsReviewed() => Snapshot.Match(ClassPrinter.Print(Llama.Block()), "LlamaBlock.g.cs");

    [Fact]
    public void GatedMlp_Printed_IsAsReviewed() => Snapshot.Match(ClassPrinter.Print(Llama.GatedMlp), "GatedMlp.g.cs");

    [Fact]
    public void Llama_Printed_IsAsReviewed() => Snapshot.Match(ClassPrinter.Print(Llama.Model()), "Llama.g.cs");

    [Fact]
    public void LlamaConfig_Printed_IsAsReviewed() => Snapshot.Match(ConfigPrinter.Print(Llama.Config(2, 4)), "LlamaConfig.g.cs");
}
