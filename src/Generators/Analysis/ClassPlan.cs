using Generated.Generators.Analysis.Passes;
using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>Everything that the printers emit for one class: they lay it out and decide nothing.</summary>
internal sealed record ClassPlan
{
    public required ClassSpec Spec { get; init; }

    /// <summary>Width of what a pass takes, for comments; empty for tokens.</summary>
    public required string InputWidth { get; init; }

    /// <summary>Width of what a pass gives, for comments.</summary>
    public required string OutputWidth { get; init; }

    /// <summary>The class's own layers in declaration order.</summary>
    public required EquatableArray<MemberPlan> Members { get; init; }

    /// <summary>Linears that inference runs as one product.</summary>
    public required EquatableArray<FusedGroup> Fused { get; init; }

    /// <summary>The wirings in order of selection; none for a part, which its users open.</summary>
    public required EquatableArray<WiringPlan> Wirings { get; init; }

    /// <summary>Every checkpoint tensor, parts opened.</summary>
    public required EquatableArray<TensorPlan> Tensors { get; init; }

    /// <summary>Every linear, parts opened.</summary>
    public required EquatableArray<LinearPlan> Linears { get; init; }

    /// <summary>Scale factors of a part's wirings, which its users read.</summary>
    public required EquatableArray<FactorPlan> Factors { get; init; }
}

/// <summary>One of a class's own layers.</summary>
/// <param name="Split">How it is divided, or, for a layer without weights, whether it works on divided values.</param>
/// <param name="IsShared">Whether a linear shares its matrix, so that it is built first.</param>
internal sealed record MemberPlan(LayerSpec Spec, Split Split, bool IsShared);

/// <summary>One wiring with its passes and the facts that hold in it.</summary>
internal sealed record WiringPlan(
    FlatBody Body, PassPlan Full, PassPlan Prefill, PassPlan Decode,
    EquatableArray<NormGroup> NormGroups, EquatableArray<ScalePair> ScalePairs, EquatableArray<SitePlan> Sites, EquatableArray<ExchangePlan> Exchanges, SequenceParallel Sequence)
{
    public string Suffix => Body.Suffix;

    public EquatableArray<string> Conditions => Body.Conditions;

    /// <summary>A model's full pass, cut at its blocks.</summary>
    public Halves Halves => Halves.Of(Full);

    public PassPlan Pass(PassKind kind) => kind switch
    {
        PassKind.Full => Full,
        PassKind.Prefill => Prefill,
        _ => Decode,
    };
}

/// <summary>A linear and the first linear that reads the same value.</summary>
internal sealed record SitePlan(string Path, string Site);

/// <summary>An exchange between ranks behind a layer; <see cref="When"/> says whether the layer exists.</summary>
internal sealed record ExchangePlan(string Path, bool IsGather, string? When);

/// <summary>A scale factor of a part's wiring, under the name its users read it by.</summary>
internal sealed record FactorPlan(string Name, string Code);

/// <summary>A linear, with everything about it that does not depend on the wiring.</summary>
internal sealed record LinearPlan(string Path, string Access, LinearSpec Spec, string Name, Split Split);

internal enum TensorKind { Weight, Bias }

/// <summary>One checkpoint tensor.</summary>
/// <param name="Path">Path of its layer.</param>
/// <param name="Access">C# that reaches the layer.</param>
/// <param name="Name">Hugging Face name, with <c>{i}</c> in a block.</param>
/// <param name="Shape">Canonical shape.</param>
/// <param name="Conditions">C# conditions under which it exists.</param>
/// <param name="IsOptional">Whether its layer may be absent.</param>
internal sealed record TensorPlan(
    string Path, string Access, TensorKind Kind, string Name, EquatableArray<DimRef> Shape, EquatableArray<string> Conditions, bool IsOptional)
{
    /// <summary>Paddle's name, or null.</summary>
    public string? Paddle { get; init; }

    public bool PaddleTransposes { get; init; }

    public EquatableArray<string> PaddleSections { get; init; }

    /// <summary>The sections layer that cuts the output, where there is one.</summary>
    public SectionsSpec? Sections { get; init; }

    public bool StoredInOut { get; init; }

    /// <summary>Hugging Face name of the tensor it shares, and the condition (null = always).</summary>
    public string? TiedTo { get; init; }
    public string? TiedWhen { get; init; }

    /// <summary>Whether Paddle stores a copy of a shared matrix.</summary>
    public bool PaddleKeepsTied { get; init; }

    /// <summary>Whether Paddle has it only shared.</summary>
    public bool PaddleTies { get; init; }

    /// <summary>Whether Hugging Face's file holds a copy of a shared matrix.</summary>
    public bool KeepsTied { get; init; }

    public PaddleSplitChoice PaddleSplit { get; init; }
}
