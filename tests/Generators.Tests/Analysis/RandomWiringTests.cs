using Generated.Generators.Analysis;
using Generated.Generators.Graph;
using Generators.Tests.Analysis.Declarations;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Generators.Tests.Analysis;

/// <summary>Wirings that nobody would write, drawn at random: what is derived from them must still be sound.</summary>
public sealed class RandomWiringTests
{
    private const int Rounds = 400;

    [Fact]
    public void Passes_DisposeOfEveryValueOnce()
    {
        for (var seed = 0; seed < Rounds; seed++)
            foreach (var wiring in Planner.Plan(Block(seed)).Wirings)
                foreach (var pass in new[] { wiring.Full, wiring.Prefill, wiring.Decode }) PassTests.Check(pass);
    }

    /// <summary>Follows every value through the ranks: each operator must find its operands divided as it needs them.</summary>
    [Fact]
    public void Partitions_GiveEveryOperatorWhatItNeeds()
    {
        var divided = 0;
        for (var seed = 0; seed < Rounds; seed++)
        {
            var block = Block(seed);
            var partition = Partition.Of(block);
            Assert.Empty(partition.Issues);
            foreach (var body in Flattening.Bodies(block))
            {
                var isSplit = new bool[body.Nodes.Count];
                foreach (var node in body.Nodes)
                {
                    var inputs = node.Inputs.Select(i => isSplit[i]).ToList();
                    if (node.Linear is not null)
                    {
                        var kind = partition.Of(node.Layer!.Path).Kind;
                        Assert.Equal(kind == SplitKind.Row, inputs[0]);
                        isSplit[node.Id] = kind == SplitKind.Column;
                        if (kind == SplitKind.Row) divided++;
                    }
                    else if (node.Norm is not null) Assert.False(inputs[0]);
                    else if (node.Op != NodeOp.Input)
                    {
                        Assert.Single(inputs.Distinct());
                        isSplit[node.Id] = inputs[0];
                    }

                    Assert.Equal(isSplit[node.Id], partition.IsSplit(body, node.Id));
                }

                Assert.False(isSplit[body.Output]);
            }
        }

        Assert.True(divided > Rounds / 4, $"only {divided} linears were divided by rows"); // else the check above sees nothing
    }

    [Fact]
    public void Folds_AreOfNormsThatOnlyLinearsRead()
    {
        for (var seed = 0; seed < Rounds; seed++)
        {
            var block = Block(seed);
            foreach (var body in Flattening.Bodies(block))
                foreach (var group in NormGroups.Of(body, ClassKind.Block))
                    Assert.Equal(
                        group.Node != body.Output && body.Nodes.Where(n => n.Inputs.Contains(group.Node)) is var readers && readers.Any() && readers.All(n => n.Linear is not null),
                        group.IsFoldable);
        }
    }

    [Fact]
    public void Printed_Text_IsCSharp()
    {
        for (var seed = 0; seed < Rounds; seed += 20)
        {
            var text = Generated.Generators.Printing.ClassPrinter.Print(Block(seed));
            Assert.DoesNotContain(CSharpSyntaxTree.ParseText(text, Source.ParseOptions).GetDiagnostics(), d => d.Severity == DiagnosticSeverity.Error);
        }
    }

    /// <summary>Up to a dozen operators over values of one width, each reading earlier ones; what is left unread is summed up.</summary>
    private static ClassSpec Block(int seed)
    {
        var random = new Random(seed);
        var builder = ClassBuilder.Block("Block", Llama.Config(), "layers.{i}");
        var count = random.Next(2, 13);
        var kinds = Enumerable.Range(0, count).Select(_ => random.Next(9)).ToArray();
        for (var i = 0; i < count; i++)
        {
            if (kinds[i] < 4) builder.Linear($"L{i}", "Hidden", "Hidden", $"l{i}", bias: random.Next(2) == 0);
            else if (kinds[i] == 4) builder.RmsNorm($"N{i}", "Hidden", $"n{i}");
        }

        return builder.Forward(g => Wire(g)).Build();

        Wiring.Wire Wire(Wiring g)
        {
            List<Wiring.Wire> values = [g.Input];
            var unread = new HashSet<Wiring.Wire>();
            Wiring.Wire Pick()
            {
                var value = values[Math.Max(0, values.Count - 1 - random.Next(3))];
                unread.Remove(value);
                return value;
            }

            for (var i = 0; i < count; i++)
            {
                var value = kinds[i] switch
                {
                    < 4 => g.Call($"L{i}", Pick()),
                    4 => g.Call($"N{i}", Pick()),
                    5 => Pick() + Pick(),
                    6 => Pick() * Pick(),
                    7 => g.Apply(NodeOp.Silu, Pick()),
                    _ => g.Scale("c.Epsilon", Pick()),
                };
                values.Add(value);
                unread.Add(value);
            }

            return unread.Aggregate((a, b) => a + b);
        }
    }
}
