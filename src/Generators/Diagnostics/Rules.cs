using Microsoft.CodeAnalysis;

namespace Generated.Generators.Diagnostics;

/// <summary>Every diagnostic of the language: one per construct, each with a page under docs/rules.</summary>
internal static partial class Rules
{
    // In the repository and in the package of Generated.Runtime alike; there is no public address yet.
    private const string HelpLink = "docs/rules/";

    private static readonly Lazy<IReadOnlyDictionary<string, DiagnosticDescriptor>> ById =
        new(() => All.ToDictionary(rule => rule.Id, StringComparer.Ordinal));

    public static IReadOnlyList<DiagnosticDescriptor> All =>
    [
        NotPartial, ForwardMissing, ForwardDuplicate, ForwardShape, ClassShape, SeveralFiles, LayerShape, SeveralLayerAttributes,
        ConstructorParameter, NameTaken,
        Statement, Call, Expression, Reassignment, LayerUsedTwice, LayerUnused, HelperRecursion, ValueUnused, Factor,
        Capture,
        WidthMismatch, UnequalWidths, OddHeadWidth, InexactDivision, KvHeads, SectionSum, TiedShape, TiedTarget,
        ResultWidth,
        NormNotFoldable, NoBiasForShift, NoPositions, HalfRotated,
        DuplicateName, NameTemplate,
        UnknownMember, MemberType, ConfigShape, PropertyWithoutKey, PropertyType, DuplicateModelType, PresetShape,
        WidthCount, ConfigMismatch, NotDeclared, Recursion, UnreadableDeclaration, DuplicateKey, DuplicatePreset,
        PresetValue, InputScheme,
        Partition, TensorParallelDegree,
        RecipeShape, NotAnArchitecture, UnknownLayer, NothingLeft, SaidTwice, InvalidValue, ExclusiveMethods, MissingFormat, NoEffect,
        Fold, SwitchedFold, InsertedBias, InsertedOperation, NothingMoves, ShortGroup, GroupCrossesRanks, RecipeDegree, NoCache, KernelFallback,
        AmbiguousLayer, NotFolded,
    ];

    public static DiagnosticDescriptor Of(string ruleId) => ById.Value[ruleId];
}
