using System.Globalization;
using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Generated.Generators.Parsing;

/// <summary>Parses a <c>[Config]</c> record: its properties with their keys and widths, and its presets' constants.</summary>
internal sealed class ConfigParser
{
    private readonly INamedTypeSymbol _type;
    private readonly CancellationToken _cancellation;
    private readonly Getters _getters;
    private readonly DimReader _dims;
    private readonly Reporter _report = new();

    private ConfigParser(INamedTypeSymbol type, Compilation compilation, CancellationToken cancellation)
    {
        _type = type;
        _cancellation = cancellation;
        _getters = new Getters(compilation, cancellation);
        _dims = new DimReader(_getters);
    }

    public static Parsed<ConfigSpec> Parse(INamedTypeSymbol type, Compilation compilation, CancellationToken cancellation)
    {
        var parser = new ConfigParser(type, compilation, cancellation);
        var spec = parser.Parse();
        return new Parsed<ConfigSpec>(spec, parser._report.Diagnostics, parser._report.Places);
    }

    private ConfigSpec? Parse()
    {
        if (!HasShape()) return null;
        var properties = Properties().ToList();
        var spec = new ConfigSpec
        {
            Type = _type.Code(),
            Namespace = _type.ContainingNamespace.IsGlobalNamespace ? "" : _type.ContainingNamespace.ToDisplayString(),
            Name = _type.Name,
            Properties = properties.ToEquatableArray(),
            Quotients = Quotients(properties).ToEquatableArray(),
            Presets = new PresetParser(_type, _getters, _dims, _report, _cancellation).Parse(properties).ToEquatableArray(),
        };
        var taken = _report.Taken(_type, m => EmittedNames.Config.Contains(m.Name) || (m.Name == EmittedNames.ConfigCheck && m is not IMethodSymbol));
        return spec with { IsBroken = _report.IsBroken, TakenNames = taken.ToEquatableArray() };
    }

    private bool HasShape()
    {
        var syntax = (TypeDeclarationSyntax)_type.DeclaringSyntaxReferences[0].GetSyntax(_cancellation);
        var where = syntax.Identifier.GetLocation();
        _report.Mark(Anchors.Class, where);
        if (!syntax.Modifiers.Any(SyntaxKind.PartialKeyword))
        {
            _report.Report(RuleId.NotPartial, where, _type.Name);
            return false;
        }

        var wrong = !_type.IsRecord ? "must be a record"
            : _type.ContainingType is not null ? "must not be nested in another type"
            : _type.IsGenericType ? "must not be generic"
            : _type.IsAbstract ? "must not be abstract"
            : _type.BaseType?.SpecialType != SpecialType.System_Object ? "must not inherit from another record"
            : syntax.ParameterList is not null ? "must not have constructor parameters: give it properties with [Key]"
            : null;
        if (wrong is null) return true;
        _report.Report(RuleId.ConfigShape, where, _type.Name, wrong);
        return false;
    }

    private IEnumerable<ConfigPropertySpec> Properties()
    {
        var readers = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var property in _type.GetMembers().OfType<IPropertySymbol>())
        {
            if (property.IsStatic || property.IsIndexer || property.IsImplicitlyDeclared || property.DeclaredAccessibility != Accessibility.Public) continue;
            var where = property.Locations.FirstOrDefault();
            _report.Mark(Anchors.Config(property.Name), where);
            var isSettable = property.SetMethod is { DeclaredAccessibility: Accessibility.Public };
            var key = property.Attribute(KnownNames.Key) is { } attribute ? new AttributeReader(attribute, _cancellation) : null;
            var keys = key?.Texts(0) ?? [];
            if (isSettable && keys.IsEmpty) _report.Report(RuleId.PropertyWithoutKey, where, property.Name);
            foreach (var name in keys)
            {
                if (readers.TryGetValue(name, out var reader)) _report.Report(RuleId.DuplicateKey, key!.WhereArgument(0), name, reader);
                else readers.Add(name, property.Name);
            }

            var spec = Property(property, isSettable, keys.ToEquatableArray(), key?.NamedText("Paddle"));
            yield return spec with { PaddleDefault = PaddleDefault(spec, key), Variants = Variants(property, spec).ToEquatableArray() };
        }
    }

    private string? PaddleDefault(ConfigPropertySpec property, AttributeReader? key)
    {
        if (key?.NamedValue("PaddleDefault") is not { } value) return null;
        if (Literal(property, value) is { } literal && !property.IsRequired) return literal;
        _report.Report(RuleId.MemberType, key.WhereNamed("PaddleDefault"), property.Name, Wanted(value), "a property with this default");
        return null;
    }

    private IEnumerable<VariantSpec> Variants(IPropertySymbol property, ConfigPropertySpec spec)
    {
        foreach (var data in property.GetAttributes().Where(a => a.AttributeClass.Is(KnownNames.Variant)))
        {
            var variant = new AttributeReader(data, _cancellation);
            if (variant.Value(1) is not { } value) continue; // the C# compiler refuses it
            if (spec.Keys.Count > 0 && Literal(spec, value) is { } literal)
                yield return new VariantSpec(variant.Text(0), literal);
            else
                _report.Report(RuleId.MemberType, variant.WhereArgument(1), property.Name, spec.Keys.Count > 0 ? Wanted(value) : "a property with [Key]", "a variant");
        }
    }

    /// <summary>A constant in the syntax that C# and JSON share; null where the property cannot have it.</summary>
    private static string? Literal(ConfigPropertySpec property, object value) => (property.Kind, value) switch
    {
        (ConfigValueKind.Bool, bool flag) => flag ? "true" : "false",
        (ConfigValueKind.Int or ConfigValueKind.Double, int number) => number.ToString(CultureInfo.InvariantCulture),
        (ConfigValueKind.Double, double number) => number.ToString("R", CultureInfo.InvariantCulture),
        _ => null,
    };

    private static string Wanted(object value) => value switch { bool => "an optional bool", int => "an optional int or double", double => "an optional double", _ => "an optional bool, int or double" };

    private ConfigPropertySpec Property(IPropertySymbol property, bool isSettable, EquatableArray<string> keys, string? paddleKey)
    {
        var type = property.Type;
        var isNullable = property.NullableAnnotation == NullableAnnotation.Annotated;
        if (type is INamedTypeSymbol { OriginalDefinition.SpecialType: SpecialType.System_Nullable_T } nullable) type = nullable.TypeArguments[0];
        if (Kind(type) is not { } kind)
        {
            kind = ConfigValueKind.Object;
            if (type.TypeKind == TypeKind.Error) _report.Break();
            else if (keys.Count > 0)
                _report.Report(RuleId.PropertyType, property.Locations.FirstOrDefault(), property.Name, type.Words());
        }

        var isWidth = kind == ConfigValueKind.Int && type.SpecialType == SpecialType.System_Int32 && !isNullable;
        return new ConfigPropertySpec(
            property.Name, kind, property.Type.Code(), isNullable, isSettable, property.IsRequired, keys, paddleKey,
            isWidth ? _dims.Property(property) : null);
    }

    private IEnumerable<QuotientSpec> Quotients(IEnumerable<ConfigPropertySpec> properties)
    {
        foreach (var property in properties)
        {
            if (property.IsSettable || property.Value is null) continue;
            var getter = _getters.Getter(_type.GetMembers(property.Name).OfType<IPropertySymbol>().First());
            if (_dims.Quotient(getter) is var (dividend, divisor)) yield return new QuotientSpec(property.Name, dividend, divisor);
        }
    }

    private static ConfigValueKind? Kind(ITypeSymbol type) => type switch
    {
        { SpecialType: SpecialType.System_Int32 or SpecialType.System_Int64 } => ConfigValueKind.Int,
        { SpecialType: SpecialType.System_Single or SpecialType.System_Double } => ConfigValueKind.Double,
        { SpecialType: SpecialType.System_Boolean } => ConfigValueKind.Bool,
        { SpecialType: SpecialType.System_String } => ConfigValueKind.String,
        IArrayTypeSymbol { ElementType.SpecialType: SpecialType.System_Int32 } => ConfigValueKind.IntArray,
        INamedTypeSymbol { Name: "RopeScaling", ContainingNamespace: { Name: "Layers", ContainingNamespace.Name: KnownNames.Namespace } } => ConfigValueKind.Object,
        _ => null,
    };
}
