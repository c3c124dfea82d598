using Generated.Generators;
using Generated.Generators.Graph;
using Generated.Generators.Graph.Text;
using Generators.Tests.Declarations;

namespace Generators.Tests.Parsing;

public sealed class GraphTextTests
{
    /// <summary>Every kind of layer and every setting that is not a default.</summary>
    private const string Everything = """
        [Config]
        public sealed partial record C
        {
            [Key("n", "m", Paddle = "p")] public required int N { get; init; }
            [Key("o", PaddleDefault = true), Variant("off", false)] public bool On { get; init; }
            [Key("e")] public double E { get; init; } = 1e-5;
            [Key("s")] public RopeScaling? S { get; init; }
            public int Half => N / 2;
            public int Square => N * N - 2 * N;
            [Preset("~", TensorParallel = [2])] public static C Null => new() { N = 2 };
            [Preset("small; \\ odd", TensorParallel = [2])] public static C Small => new() { N = 4 };
        }

        [Part]
        public sealed partial class P(C c, int inner)
        {
            [Linear(nameof(c.N), nameof(inner), "up", Bias = true, Layout = WeightLayout.InOut, Partition = Partition.Column)] private partial Flow Up(Flow x);
            [Linear(nameof(inner), nameof(c.N), "down", BiasWhen = nameof(c.On), Paddle = "d", PaddleSections = ["a", "b"], PaddleSplit = PaddleSplit.HeadByHead)] private partial Flow Down(Flow x);
            public Flow Forward(Flow x) => 0.5 * Down(GeluTanh(Up(x)));
        }

        [Block("b.{i}", Paddle = "q.{i}"), Ignore("x", "y", Paddle = ["z"])]
        public sealed partial class B(C c)
        {
            [LayerNorm(nameof(c.N), "norm", Epsilon = nameof(c.E))] private partial Flow Norm(Flow x);
            [Linear(nameof(c.N), nameof(c.N), "qkv")] private partial Flow Qkv(Flow x);
            [Sections(nameof(c.N), nameof(c.N), nameof(c.N), Groups = nameof(c.Half))] private partial Flow3 Cut(Flow x);
            [Rotary(nameof(c.N), Dim = nameof(c.Half), Theta = nameof(c.E), Scaling = nameof(c.S), Pairing = RotaryPairing.Adjacent,
                Positions = PositionKind.SequenceAndBlock, HalfFrequenciesWhen = nameof(c.On))] private partial Flow Rope(Flow x);
            [LogN(nameof(c.N))] private partial Flow Log(Flow x);
            [Attention(nameof(c.N), nameof(c.N), nameof(c.N), AlibiWhen = nameof(c.On), Window = nameof(c.N), Scale = nameof(c.E), Prefix = true)]
            private partial Flow Attend(Flow q, Flow k, Flow v);
            [Use<P>("p", nameof(c.Square), When = nameof(c.On))] private partial Flow Mlp(Flow x);
            private double Alpha => Math.Sqrt(c.N);
            public Flow Forward(Flow x)
            {
                var (q, k, v) = Cut(Qkv(Norm(x)));
                return Alpha * x + Mlp(Attend(Log(Rope(q)), Rope(k), v));
            }
            [ForwardWhen(nameof(c.On))] private Flow Other(Flow x) => Norm(x) * 2;
        }
        """;

    [Theory]
    [InlineData("B"), InlineData("P")]
    public void Class_ComesBackEqual(string name)
    {
        var spec = Parse.ClassWithDiagnostics(name, Everything).Spec!;

        Assert.Equal(Declared(spec), GraphText.ReadClass(GraphText.Write(spec), spec.Config));
    }

    [Fact]
    public void Config_ComesBackEqual()
    {
        var spec = Parse.Config("C", Everything);

        Assert.Equal(spec, GraphText.ReadConfig(GraphText.Write(spec)));
        Assert.Equal(2, spec.Presets[1].Value("Half"));
    }

    [Theory]
    [InlineData("LlamaBlock"), InlineData("GatedMlp")]
    public void Llama_ComesBackEqual(string name)
    {
        var spec = Parse.Class(name, Declarations.Declared.Llama);

        Assert.Equal(Declared(spec), GraphText.ReadClass(GraphText.Write(spec), spec.Config));
    }

    [Fact]
    public void DamagedText_IsNotReadAndDoesNotThrow()
    {
        var text = GraphText.Write(Parse.Class("GatedMlp", Declarations.Declared.Llama));

        Assert.Null(GraphText.ReadClass("1;" + text[2..], null));
        Assert.Null(GraphText.ReadClass(text + "more;", null));
        for (var length = 0; length < text.Length; length++) Assert.Null(GraphText.ReadClass(text[..length], null));
        var random = new Random(1);
        for (var i = 0; i < 2000; i++)
        {
            var letters = text.ToCharArray();
            letters[random.Next(letters.Length)] = (char)random.Next(32, 127);
            _ = GraphText.ReadClass(new string(letters), null); // Another graph, or none; never an exception.
        }
    }

    /// <summary>What another assembly needs of a class: the partial methods' signatures and, of nested classes, theirs, are not in it.</summary>
    private static ClassSpec Declared(ClassSpec spec) => spec with
    {
        Stubs = EquatableArray<string>.Empty,
        Layers = spec.Layers.Select(l => l is UseSpec use ? use with { Part = Declared(use.Part) } : l).ToEquatableArray(),
    };
}
