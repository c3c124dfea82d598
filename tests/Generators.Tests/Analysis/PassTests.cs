using Generated.Generators.Analysis;
using Generated.Generators.Analysis.Passes;
using Generated.Generators.Graph;
using Generators.Tests.Analysis.Declarations;

namespace Generators.Tests.Analysis;

/// <summary>The statements of passes: what is fused, and that every value is disposed of once, right after its last use.</summary>
public sealed class PassTests
{
    public static TheoryData<string> Classes => ["LlamaBlock", "Llama", "ChatGlmBlock", "ChatGlm", "BloomBlock", "Bloom", "GptJBlock", "OptBlock", "Opt", "ChatGlm2Block"];

    private static ClassSpec Spec(string name) => name switch
    {
        "LlamaBlock" => Llama.Block(),
        "Llama" => Llama.Model(),
        "ChatGlmBlock" => ChatGlm.Block(),
        "ChatGlm" => ChatGlm.Model(),
        "BloomBlock" => Bloom.Block(),
        "Bloom" => Bloom.Model(),
        "GptJBlock" => GptJ.Block(),
        "OptBlock" => Opt.Block(),
        "Opt" => Opt.Model(),
        _ => ChatGlm2.Block(),
    };

    [Theory, MemberData(nameof(Classes))]
    public void Values_AreDisposedOnce_AfterTheirLastUse(string name)
    {
        foreach (var wiring in Planner.Plan(Spec(name)).Wirings)
            foreach (var pass in new[] { wiring.Full, wiring.Prefill, wiring.Decode })
                Check(pass);
    }

    /// <summary>Runs the statements on names only.</summary>
    internal static void Check(PassPlan pass)
    {
        var alive = new HashSet<string> { pass.Input };
        var declared = new HashSet<string>(alive);
        for (var i = 0; i < pass.Steps.Count; i++)
        {
            var step = pass.Steps[i];
            Assert.All(step.Inputs, input => Assert.Contains(input, alive));
            foreach (var result in step.Results)
            {
                Assert.True(declared.Add(result), $"{result} is declared twice");
                alive.Add(result);
            }

            var ended = step.Disposes.Concat(step.Consumes ? [step.Inputs[0]] : Array.Empty<string>()).ToList();
            Assert.Equal(ended.Count, ended.Distinct().Count());
            foreach (var name in ended)
            {
                Assert.True(alive.Remove(name));
                Assert.DoesNotContain(pass.Steps.Skip(i + 1), later => later.Inputs.Contains(name));
                Assert.True(step.Inputs.Contains(name) || step.Results.Contains(name), $"{name} outlives its last use");
            }
        }

        alive.Remove(pass.Input);
        alive.Remove(pass.Result);
        Assert.Empty(alive);
    }

    [Fact]
    public void Prefill_OfAModel_DropsAllButTheLastPosition_BehindTheBlocks()
    {
        var prefill = Planner.Plan(Opt.Model()).Wirings[0].Prefill;
        var kinds = prefill.Steps.Select(s => s.Kind).ToList();
        Assert.Equal(kinds.IndexOf(StepKind.Repeat) + 1, kinds.IndexOf(StepKind.LastPosition));
        Assert.Equal("last", prefill.Steps[kinds.IndexOf(StepKind.LastPosition) + 1].Inputs[0]);
    }

    [Fact]
    public void Prefill_WhereTheHeadAlsoReadsTheEmbedding_KeepsAllPositions()
    {
        var model = ClassBuilder.Model("Model", Llama.Config(), "m").Embedding("Embed", "Vocab", "Hidden", "embed").Repeat("Blocks", Llama.Block(), "Layers")
            .Linear("Head", "Hidden", "Vocab", "head")
            .Forward(g =>
            {
                var embed = g.Call("Embed", g.Input);
                return g.Call("Head", g.Call("Blocks", embed) + embed);
            }).Build();
        var steps = Planner.Plan(model).Wirings[0].Prefill.Steps;
        Assert.Equal(StepKind.LastPosition, steps[^1].Kind);
        var repeat = steps.Single(s => s.Kind == StepKind.Repeat);
        Assert.False(repeat.Consumes); // the embedding is read again
        Assert.Empty(repeat.Disposes);
    }

    [Theory]
    [InlineData("Llama"), InlineData("ChatGlm"), InlineData("Bloom"), InlineData("Opt")]
    public void Halves_OfAModel_AreItsFullPassWithoutTheBlocks(string name)
    {
        foreach (var wiring in Planner.Plan(Spec(name)).Wirings)
        {
            var (full, halves) = (wiring.Full, wiring.Halves);
            Check(halves.Enter!);
            Check(halves.Leave!);
            var repeat = full.Steps.Single(s => s.Kind == StepKind.Repeat);
            Assert.Equal((full.Input, repeat.Inputs[0]), (halves.Enter!.Input, halves.Enter.Result));
            Assert.Equal((repeat.Results[0], full.Result), (halves.Leave!.Input, halves.Leave.Result));
            Assert.Equal(full.Steps.Where(s => s != repeat).Select(Statement), halves.Enter.Steps.Concat(halves.Leave.Steps).Select(Statement));
        }

        static (StepKind, string, string, string) Statement(Step step) => (step.Kind, string.Join(",", step.Results), step.Access, string.Join(",", step.Inputs));
    }

    [Fact]
    public void Halves_WhereAValueGoesPastTheBlocks_SayWhich()
    {
        var model = ClassBuilder.Model("Model", Llama.Config(), "m").Embedding("Embed", "Vocab", "Hidden", "embed").Repeat("Blocks", Llama.Block(), "Layers")
            .Forward(g =>
            {
                var embed = g.Call("Embed", g.Input);
                return g.Call("Blocks", embed) + embed;
            }).Build();
        var halves = Planner.Plan(model).Wirings[0].Halves;
        Assert.Null(halves.Enter);
        Assert.Equal("'embed' is read behind 'Blocks' too", halves.Reason);
    }

    [Fact]
    public void Halves_OfAModelWithTwoRowsOfBlocks_SayThat()
    {
        var model = ClassBuilder.Model("Model", Llama.Config(), "m").Embedding("Embed", "Vocab", "Hidden", "embed").Repeat("A", Llama.Block(), "Layers").Repeat("B", Llama.Block(), "Layers")
            .Forward(g => g.Call("B", g.Call("A", g.Call("Embed", g.Input)))).Build();
        Assert.Equal("it repeats blocks in 2 places: 'A', 'B'", Planner.Plan(model).Wirings[0].Halves.Reason);
    }

    [Fact]
    public void Gate_IsComputedWithItsProduct_InInferenceOnly()
    {
        var wiring = Planner.Plan(Llama.Block()).Wirings[0];
        Assert.Contains(wiring.Full.Steps, s => s.Kind == StepKind.Silu);
        Assert.DoesNotContain(wiring.Decode.Steps, s => s.Kind is StepKind.Silu or StepKind.Multiply);
        Assert.Equal(["gate", "up"], wiring.Decode.Steps.Single(s => s.Kind == StepKind.SiluMultiply).Inputs);
    }

    [Fact]
    public void Gate_ThatComesSecond_IsStillTheFirstOperand()
    {
        var block = ClassBuilder.Block("Block", Llama.Config(), "l.{i}").Linear("Up", "Hidden", "Ffn", "up").Linear("Gate", "Hidden", "Ffn", "gate").Linear("Down", "Ffn", "Hidden", "down")
            .Forward(g => g.Call("Down", g.Call("Up", g.Input) * g.Apply(NodeOp.Silu, g.Call("Gate", g.Input)))).Build();
        Assert.Equal(["gate", "up"], Planner.Plan(block).Wirings[0].Decode.Steps.Single(s => s.Kind == StepKind.SiluMultiply).Inputs);
    }

    [Fact]
    public void Gate_ThatIsReadTwice_IsComputedByItself()
    {
        var block = ClassBuilder.Block("Block", Llama.Config(), "l.{i}").Linear("Up", "Hidden", "Ffn", "up").Linear("Down", "Ffn", "Hidden", "down")
            .Forward(g =>
            {
                var gate = g.Apply(NodeOp.Silu, g.Call("Up", g.Input));
                return g.Call("Down", gate * (gate + gate));
            }).Build();
        Assert.DoesNotContain(Planner.Plan(block).Wirings[0].Decode.Steps, s => s.Kind == StepKind.SiluMultiply);
    }

    [Fact]
    public void Residual_IsAddedWithTheNormBehindIt_InDecodeOnly()
    {
        var wiring = Planner.Plan(Llama.Block()).Wirings[0];
        var step = Assert.Single(wiring.Decode.Steps, s => s.Kind == StepKind.AddNorm);
        Assert.Equal(["h", "mlpNorm"], step.Results);
        Assert.Equal(["x", "o"], step.Inputs);
        Assert.Equal("Layers.MlpNorm", step.Access);
        Assert.DoesNotContain(wiring.Full.Steps.Concat(wiring.Prefill.Steps), s => s.Kind == StepKind.AddNorm);
    }

    [Fact]
    public void QueriesAndKeys_AreRotatedInsideAttention_InDecodeOnly()
    {
        var wiring = Planner.Plan(Llama.Block()).Wirings[0];
        var step = Assert.Single(wiring.Decode.Steps, s => s.Kind == StepKind.RotatedAttention);
        Assert.Equal(["q", "k", "v"], step.Inputs);
        Assert.Equal("Layers.Rope", step.Rotary);
        Assert.DoesNotContain(wiring.Full.Steps.Concat(wiring.Prefill.Steps), s => s.Kind == StepKind.RotatedAttention);
    }

    [Fact]
    public void LinearInputs_AreShownOncePerSite_InTheFullPassOnly()
    {
        var wiring = Planner.Plan(Llama.Block()).Wirings[0];
        Assert.Equal(
            ["LlamaBlock.Q attnNorm", "LlamaBlock.O attend", "LlamaBlock.Mlp.Gate mlpNorm", "LlamaBlock.Mlp.Down product"],
            wiring.Full.Steps.Where(s => s.Kind == StepKind.ProbeInput).Select(s => $"{s.Site} {s.Inputs[0]}"));
        Assert.DoesNotContain(wiring.Prefill.Steps.Concat(wiring.Decode.Steps), s => s.Kind == StepKind.ProbeInput);
    }

    [Fact]
    public void Names_AvoidKeywordsAndWhatFactorsRead()
    {
        var block = ClassBuilder.Block("Block", Llama.Config(), "l.{i}").Linear("Base", "Hidden", "Hidden", "base").Linear("Scale", "Hidden", "Hidden", "scale")
            .Forward(g => g.Scale("(scale * c.Epsilon)", g.Call("Scale", g.Call("Base", g.Input)))).Build();
        var names = Planner.Plan(block).Wirings[0].Full.Steps.SelectMany(s => s.Results).ToList();
        Assert.Equal(["base2", "scale2", "scaled"], names);
    }
}
