using Generators.Tests.Declarations;

namespace Generators.Tests.Incremental;

/// <summary>The laws caching rests on: same text, equal graph; reworded, equal; rewired, unequal.</summary>
public sealed class GraphLawTests
{
    [Theory]
    [InlineData("LlamaBlock"), InlineData("GatedMlp"), InlineData("Llama")]
    public void SameText_GivesEqualGraphs(string type)
    {
        var first = Parse.Class(type, Declared.Llama);
        var second = Parse.Class(type, Declared.Llama);

        Assert.NotSame(first, second);
        Assert.Equal(first, second);
        Assert.Equal(first.GetHashCode(), second.GetHashCode());
    }

    [Fact]
    public void SameConfig_GivesEqualSpecs() =>
        Assert.Equal(Parse.Config("LlamaConfig", Declared.Llama), Parse.Config("LlamaConfig", Declared.Llama));

    public static TheoryData<string, string, string> Rewordings => new()
    {
        { "comment", "var h = x", "/* the residual */ var h = x" },
        { "layout", "return h +", "return\n\n   h\n +" },
        { "parentheses", "h + Mlp(MlpNorm(h))", "(h + (Mlp((MlpNorm(h)))))" },
        { "this", "O(Attend(", "this.O(this.Attend(" },
        { "type instead of var", "var h =", "Flow h =" },
        { "block body", "=> O(Attend(Rope(Q(x)), Rope(K(x)), V(x)));", "{ return O(Attend(Rope(Q(x)), Rope(K(x)), V(x))); }" },
        { "helper's parameter", "Attention(Flow x) => O(Attend(Rope(Q(x)), Rope(K(x)), V(x)))", "Attention(Flow y) => O(Attend(Rope(Q(y)), Rope(K(y)), V(y)))" },
        { "a helper's helper", "private Flow Attention(Flow x) => O(", "private Flow Attention(Flow x) => Inner(x);\n    private Flow Inner(Flow x) => O(" },
        { "named arguments", "Attend(Rope(Q(x)), Rope(K(x)), V(x))", "Attend(q: Rope(Q(x)), k: Rope(K(x)), v: V(x))" },
        { "string for nameof", "[Use<GatedMlp>(\"mlp\", nameof(c.Hidden)", "[Use<GatedMlp>(\"mlp\", \"Hidden\"" },
        { "order of named arguments", "Theta = nameof(c.Theta), Scaling = nameof(c.Scaling)", "Scaling = nameof(c.Scaling), Theta = nameof(c.Theta)" },
        { "long name of an attribute", "[Attention(", "[global::Generated.AttentionAttribute(" },
        { "factors the other way round", "=> Heads * HeadDim", "=> HeadDim * Heads" },
        { "getter with a body", "public int QWidth => Heads * HeadDim;", "public int QWidth { get { return Heads * HeadDim; } }" },
        { "constant expression", "Vocab = 32000", "Vocab = 32 * 1000" },
    };

    [Theory, MemberData(nameof(Rewordings))]
    public void RewordedText_GivesAnEqualGraph(string what, string before, string after)
    {
        var reworded = Edit(before, after);

        Assert.True(Parse.Class("LlamaBlock", Declared.Llama).Equals(Parse.Class("LlamaBlock", reworded)), what);
    }

    public static TheoryData<string, string> Rewirings => new()
    {
        { "x + Attention(AttnNorm(x))", "Attention(AttnNorm(x))" },
        { "x + Attention(AttnNorm(x))", "Attention(AttnNorm(x)) + x" },
        { "x + Attention(AttnNorm(x))", "x + 2 * Attention(AttnNorm(x))" },
        { "Rope(K(x)), V(x)", "Rope(K(x)), Silu(V(x))" },
        { "Attend(Rope(Q(x)), Rope(K(x))", "Attend(Rope(K(x)), Rope(Q(x))" },
        { "\"self_attn.q_proj\"", "\"self_attn.query\"" },
        { "\"model.layers.{i}\"", "\"layers.{i}\"" },
        { "\"self_attn.o_proj\", BiasWhen = nameof(c.AttentionBias)", "\"self_attn.o_proj\", Bias = true" },
        { "Epsilon = nameof(c.Epsilon))] private partial Flow MlpNorm", "Epsilon = nameof(c.Theta))] private partial Flow MlpNorm" },
        { "\"mlp\", nameof(c.Hidden), nameof(c.Ffn)", "\"mlp\", nameof(c.Ffn), nameof(c.Hidden)" },
        { "Down(Silu(Gate(x)) * Up(x))", "Down(Gelu(Gate(x)) * Up(x))" },
        { "Down(Silu(Gate(x)) * Up(x))", "Down(Silu(Up(x)) * Gate(x))" },
        { "public int QWidth => Heads * HeadDim;", "public int QWidth => Heads * HeadDim + 1;" },
        { "Ffn = 11008", "Ffn = 11264" },
        { "TensorParallel = [2, 4, 8]", "TensorParallel = [2, 4]" },
        { "private partial Flow Q(", "internal partial Flow Q(" },
    };

    [Theory, MemberData(nameof(Rewirings))]
    public void RewiredText_GivesAnotherGraph(string before, string after) =>
        Assert.NotEqual(Parse.Class("LlamaBlock", Declared.Llama), Parse.Class("LlamaBlock", Edit(before, after)));

    private static string Edit(string before, string after)
    {
        Assert.Contains(before, Declared.Llama);
        return Declared.Llama.Replace(before, after);
    }
}
