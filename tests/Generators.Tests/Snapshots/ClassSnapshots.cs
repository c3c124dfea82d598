using Generated.Generators;
using Generated.Generators.Printing;
using Generators.Tests.Analysis.Declarations;
using Generators.Tests.Declarations;

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

    [Fact]
    public void ChatGlmBlock_Printed_IsAsReviewed() => Snapshot.Match(ClassPrinter.Print(ChatGlm.Block()), "ChatGlmBlock.g.cs");

    [Fact]
    public void ChatGlm_Printed_IsAsReviewed() => Snapshot.Match(ClassPrinter.Print(ChatGlm.Model()), "ChatGlm.g.cs");

    [Fact]
    public void ChatGlmConfig_Printed_IsAsReviewed() => Snapshot.Match(ConfigPrinter.Print(ChatGlm.Config(2)), "ChatGlmConfig.g.cs");

    [Fact]
    public void BloomBlock_Printed_IsAsReviewed() => Snapshot.Match(ClassPrinter.Print(Bloom.Block()), "BloomBlock.g.cs");

    [Fact]
    public void Bloom_Printed_IsAsReviewed() => Snapshot.Match(ClassPrinter.Print(Bloom.Model()), "Bloom.g.cs");

    [Fact]
    public void BloomConfig_Printed_IsAsReviewed() => Snapshot.Match(ConfigPrinter.Print(Bloom.Config(2)), "BloomConfig.g.cs");

    [Fact]
    public void Opt_Printed_IsAsReviewed() => Snapshot.Match(ClassPrinter.Print(Opt.Model()), "Opt.g.cs");

    [Fact]
    public void BrokenBlock_Printed_ThrowsEverywhere() =>
        Snapshot.Match(ClassPrinter.Print(Llama.Block() with { IsBroken = true, Stubs = EquatableArray.Of("private partial global::Generated.Flow Q(global::Generated.Flow x)") }), "Broken.g.cs");

    [Fact]
    public void Registry_Printed_IsAsReviewed() =>
        Snapshot.Match(RegistryPrinter.Print("My.Models", EquatableArray.Of("global::My.Models.Bloom", "global::My.Models.Opt")), "GeneratedArchitectures.g.cs");

    /// <summary>A class that a declaration gains is one more file to review.</summary>
    [Fact]
    public void EveryFileOfTheThreeArchitectures_IsReviewed()
    {
        string[] declarations = [Declared.Llama, Declared.ChatGlm, Declared.Bloom];
        var emitted = declarations.SelectMany(source => Compiled.From(source).Run.GeneratedTrees.Select(tree => Path.GetFileName(tree.FilePath)))
            .Select(name => name.StartsWith("Declared.", StringComparison.Ordinal) ? name["Declared.".Length..] : name).Distinct().ToList();
        Assert.True(emitted.Count >= 11, string.Join(' ', emitted));
        Assert.Empty(emitted.Except(Snapshot.Names()));
    }

    [Fact]
    public void Printed_Twice_IsEqual() => Assert.Equal(ClassPrinter.Print(Opt.Model()), ClassPrinter.Print(Opt.Model()));
}
