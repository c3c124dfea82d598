using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace Generated.Generators.Parsing;

/// <summary>Parses a config's presets and evaluates their members, so that declarations are checked against real sizes.</summary>
internal sealed class PresetParser(INamedTypeSymbol type, Getters getters, DimReader dims, Reporter report, CancellationToken cancellation)
{
    public IEnumerable<PresetSpec> Parse(IReadOnlyList<ConfigPropertySpec> properties)
    {
        var members = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var property in type.GetMembers().OfType<IPropertySymbol>())
        {
            if (property.Attribute(KnownNames.Preset) is not { } data) continue;
            var attribute = new AttributeReader(data, cancellation);
            var name = attribute.Text(0);
            var where = property.Locations.FirstOrDefault();
            report.Mark(Anchors.Preset(name), where);
            if (members.TryGetValue(name, out var other)) report.Report(RuleId.DuplicatePreset, attribute.WhereArgument(0), name, other);
            else members.Add(name, property.Name);

            var assigned = new Dictionary<string, Constant>(StringComparer.Ordinal);
            var isReadable = property.IsStatic && property.DeclaredAccessibility == Accessibility.Public
                && SymbolEqualityComparer.Default.Equals(property.Type, type)
                && Assignments(property, name, assigned, depth: 0);
            if (!isReadable) report.Report(RuleId.PresetShape, where, name, type.Name);
            yield return new PresetSpec(
                name, property.Name, attribute.NamedNumbers("TensorParallel").ToEquatableArray(),
                isReadable ? Values(name, where, assigned, properties).ToEquatableArray() : EquatableArray<PresetValue>.Empty);
        }
    }

    /// <summary>Gathers what <c>new() { … }</c>, or another preset's <c>with { … }</c>, assigns.</summary>
    private bool Assignments(IPropertySymbol property, string preset, Dictionary<string, Constant> assigned, int depth)
    {
        const int longestChain = 8;
        if (depth > longestChain) return false;
        var operation = getters.Getter(property) ?? getters.Initializer(property);
        while (operation is IConversionOperation conversion) operation = conversion.Operand;
        var initializer = operation switch
        {
            IObjectCreationOperation { Arguments.IsEmpty: true } creation => creation.Initializer,
            IWithOperation { Operand: IPropertyReferenceOperation { Property: { IsStatic: true } origin } } with
                when Assignments(origin, preset, assigned, depth + 1) => with.Initializer,
            _ => null,
        };
        if (initializer is null) return operation is IObjectCreationOperation { Arguments.IsEmpty: true };

        var evaluator = new PresetEvaluator(getters, dims, assigned);
        foreach (var part in initializer.Initializers)
        {
            if (part is not ISimpleAssignmentOperation { Target: IPropertyReferenceOperation target } assignment) return false;
            // Members of an initializer do not see each other, so each value must be a constant of its own.
            var value = assignment.Value is IPropertyReferenceOperation ? Constant.Unknown : evaluator.Evaluate(assignment.Value);
            if (!value.IsKnown && Matters(target.Property))
                report.Report(RuleId.PresetValue, assignment.Value.Syntax.GetLocation(), preset, target.Property.Name);
            assigned[target.Property.Name] = value;
        }

        return true;
    }

    private static bool Matters(IPropertySymbol property) => property.Type.SpecialType is SpecialType.System_Int32 or SpecialType.System_Boolean;

    private IEnumerable<PresetValue> Values(
        string preset, Location? where, IReadOnlyDictionary<string, Constant> assigned, IReadOnlyList<ConfigPropertySpec> properties)
    {
        var evaluator = new PresetEvaluator(getters, dims, assigned);
        foreach (var property in properties)
        {
            if (property.Kind is not (ConfigValueKind.Int or ConfigValueKind.Bool)) continue;
            var symbol = type.GetMembers(property.Name).OfType<IPropertySymbol>().First();
            var value = evaluator.Property(symbol);
            if (value.Number is { } number) yield return new PresetValue(property.Name, number);
            else if (value.Flag is { } flag) yield return new PresetValue(property.Name, flag ? 1 : 0);
        }

        foreach (var division in evaluator.Inexact)
            report.Report(RuleId.InexactDivision, where, preset, division.Expression, division.Dividend, division.Divisor);
    }
}
