using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Parsing;

/// <summary>The input scheme of a model, which emitted code creates from the config.</summary>
internal sealed partial class ClassParser
{
    /// <summary>The scheme's type as code; null for the default one, or where it cannot be created.</summary>
    private string? InputScheme(ConfigSpec? config)
    {
        if (_type.Attribute(KnownNames.Inputs) is not { } data) return null;
        var attribute = new AttributeReader(data, _cancellation);
        if (attribute.TypeArgument is not INamedTypeSymbol scheme || scheme.TypeKind == TypeKind.Error || !IsScheme(scheme))
        {
            _report.Break(); // A type that is not there or not a scheme is the C# compiler's to report.
            return null;
        }

        var code = scheme.Code();
        if (code == KnownNames.DefaultInputs) return code;
        if (WhyNotCreated(scheme) is not { } why) return code;
        if (config is not null) _report.Report(RuleId.InputScheme, attribute.WhereType, scheme.Name, _type.Name, why);
        return null;
    }

    private static bool IsScheme(INamedTypeSymbol type) =>
        type.Code() == KnownNames.InputScheme || type.AllInterfaces.Any(i => i.Code() == KnownNames.InputScheme);

    private string? WhyNotCreated(INamedTypeSymbol scheme)
    {
        if (scheme.TypeKind is not (TypeKind.Class or TypeKind.Struct)) return "is not a class";
        if (scheme.IsAbstract) return "is abstract";
        if (scheme.IsFileLocal || !_compilation.IsSymbolAccessibleWithin(scheme, _compilation.Assembly)) return "cannot be seen by emitted code";
        if (_type.InstanceConstructors.SelectMany(c => c.Parameters).FirstOrDefault(p => p.Type.Attribute(KnownNames.Config) is not null) is not { } config) return null;
        return scheme.InstanceConstructors.Any(c => Takes(c, config.Type)) ? null : $"has no constructor that takes '{config.Type.Words()}' alone";
    }

    private bool Takes(IMethodSymbol constructor, ITypeSymbol config) =>
        constructor is { IsImplicitlyDeclared: false, Parameters: [{ RefKind: RefKind.None } first, .. var others] }
        && others.All(p => p.IsOptional || p.IsParams)
        && _compilation.ClassifyCommonConversion(config, first.Type) is { Exists: true, IsImplicit: true }
        && _compilation.IsSymbolAccessibleWithin(constructor, _compilation.Assembly);
}
