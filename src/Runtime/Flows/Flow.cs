using Generated.Passes;
using static TorchSharp.torch;

namespace Generated;

/// <summary>
/// A value of the dataflow, [batch, time, width]. It exists only inside a declared body: what cannot be written with it
/// is not part of the language. Run eagerly it wraps the tensor; positions, masks and the group of ranks ride along.
/// </summary>
public readonly ref struct Flow
{
    internal Flow(Tensor value, PassContext context)
    {
        Value = value;
        Context = context;
    }

    /// <summary>The tensor behind the flow, [batch, time, width].</summary>
    internal Tensor Value { get; }

    /// <summary>Positions, masks and the group of ranks.</summary>
    internal PassContext Context { get; }

    internal Flow With(Tensor value) => new(value, Context);

    /// <summary>Elementwise sum of two flows of equal width (a residual connection).</summary>
    public static Flow operator +(Flow left, Flow right) => left.With(left.Value + right.Value);

    /// <summary>Elementwise product of two flows of equal width (a gate).</summary>
    public static Flow operator *(Flow left, Flow right) => left.With(left.Value * right.Value);

    /// <summary>A flow times a number (a scaled residual).</summary>
    public static Flow operator *(double factor, Flow flow) => flow.With(flow.Value * factor);

    /// <summary>A flow times a number (a scaled residual).</summary>
    public static Flow operator *(Flow flow, double factor) => flow.With(flow.Value * factor);
}

/// <summary>The token ids that enter a model, [batch, time].</summary>
public readonly ref struct Tokens
{
    internal Tokens(Tensor ids, PassContext context)
    {
        Ids = ids;
        Context = context;
    }

    internal Tensor Ids { get; }

    internal PassContext Context { get; }
}

/// <summary>Two flows, to be taken apart: <c>var (a, b) = Cut(x);</c>.</summary>
public readonly ref struct Flow2
{
    private readonly Flow _first;
    private readonly Flow _second;

    internal Flow2(Flow first, Flow second)
    {
        _first = first;
        _second = second;
    }

    /// <summary>Takes the sections apart.</summary>
    public void Deconstruct(out Flow first, out Flow second)
    {
        first = _first;
        second = _second;
    }
}

/// <summary>Three flows, to be taken apart: <c>var (q, k, v) = Cut(x);</c>.</summary>
public readonly ref struct Flow3
{
    private readonly Flow _first;
    private readonly Flow _second;
    private readonly Flow _third;

    internal Flow3(Flow first, Flow second, Flow third)
    {
        _first = first;
        _second = second;
        _third = third;
    }

    /// <summary>Takes the sections apart.</summary>
    public void Deconstruct(out Flow first, out Flow second, out Flow third)
    {
        first = _first;
        second = _second;
        third = _third;
    }
}
