using Generated.CodeFixes;
using Generators.Tests.Diagnostics;

namespace Generators.Tests.CodeFixes;

public sealed class CodeFixTests
{
    [Theory]
    [InlineData("public sealed class", "public sealed partial class")]
    [InlineData("// The block.\nclass", "// The block.\npartial class")]
    public async Task MakePartial_AddsTheWord(string before, string after)
    {
        const string Rest = """
             ToyBlock(ToyConfig c)
            {
                public Flow Forward(Flow x) => x;
            }
            """;

        var text = await Fixing.Apply(new MakePartialFix(), $"[Block(\"layers.{{i}}\")]\n{before}{Rest}", RulePage.Shared);

        Assert.Equal($"[Block(\"layers.{{i}}\")]\n{after}{Rest}", text);
    }

    [Fact]
    public async Task AddForward_ChainsTheLayersOfABlock()
    {
        var text = await Fixing.Apply(new AddForwardFix(), RulePage.Read("GEN0002").Bad, RulePage.Shared);

        Assert.Contains("    public Flow Forward(Flow x) => Down(Up(x));", text);
    }

    [Fact]
    public async Task AddForward_StartsAModelAtItsTokens()
    {
        const string Model = """
            [Model("toy")]
            public sealed partial class ToyModel(ToyConfig c)
            {
                [Embedding(nameof(c.Vocab), nameof(c.Hidden), "embed")] private partial Flow Embed(Tokens ids);
                [Linear(nameof(c.Hidden), nameof(c.Vocab), "head")] private partial Flow Head(Flow x);
            }
            """;

        var text = await Fixing.Apply(new AddForwardFix(), Model, RulePage.Shared);

        Assert.Contains("    public Flow Forward(Tokens ids) => Head(Embed(ids));", text);
    }

    [Fact]
    public async Task RenameMember_NamesTheNearestConfigMember()
    {
        var text = await Fixing.Apply(new RenameMemberFix(), RulePage.Read("GEN0501").Bad, RulePage.Shared);

        Assert.Contains("[RmsNorm(nameof(c.Hidden), \"norm\")]", text);
    }

    [Fact]
    public async Task RenameMember_NamesAPartsParameter()
    {
        const string Part = """
            [Part]
            public sealed partial class Gate(int hidden)
            {
                [Linear(nameof(hidden), "hiden", "gate")] private partial Flow Project(Flow x);
                public Flow Forward(Flow x) => x * Silu(Project(x));
            }
            """;

        var text = await Fixing.Apply(new RenameMemberFix(), Part);

        Assert.Contains("[Linear(nameof(hidden), nameof(hidden), \"gate\")]", text);
    }
}
