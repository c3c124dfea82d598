using Generated.Generators;
using Generated.Generators.Graph;

namespace Generators.Tests.Analysis.Declarations;

/// <summary>Records a wiring as it is written with operators and calls.</summary>
internal sealed class Wiring
{
    private readonly List<NodeSpec> _nodes = [new(0, NodeOp.Input, default)];

    public Wire Input => new(this, 0);

    /// <summary>A call of a layer.</summary>
    public Wire Call(string layer, params Wire[] inputs) => Add(NodeOp.Layer, inputs, layer);

    /// <summary>A call of a sections layer, taken apart.</summary>
    public Wire[] Cut(string layer, Wire input, params string[] names)
    {
        var cut = Call(layer, input);
        return [.. names.Select((name, i) => Add(NodeOp.Section, [cut], section: i).Named(name))];
    }

    public Wire Apply(NodeOp op, params Wire[] inputs) => Add(op, inputs);

    public Wire Scale(string factor, Wire input) => Add(NodeOp.Scale, [input], factor: factor);

    public BodySpec Build(string method, string? when, Wire output) => new(method, when, _nodes.ToEquatableArray(), output.Id);

    private Wire Add(NodeOp op, IEnumerable<Wire> inputs, string? layer = null, string? factor = null, int section = 0)
    {
        _nodes.Add(new NodeSpec(_nodes.Count, op, inputs.Select(i => i.Id).ToEquatableArray(), layer, null, factor, section));
        return new Wire(this, _nodes.Count - 1);
    }

    internal sealed record Wire(Wiring Graph, int Id)
    {
        public static Wire operator +(Wire left, Wire right) => left.Graph.Apply(NodeOp.Add, left, right);

        public static Wire operator *(Wire left, Wire right) => left.Graph.Apply(NodeOp.Multiply, left, right);

        /// <summary>Assigns the value to a local variable.</summary>
        public Wire Named(string name)
        {
            Graph._nodes[Id] = Graph._nodes[Id] with { Name = name };
            return this;
        }
    }
}
