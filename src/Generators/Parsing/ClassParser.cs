using System.Collections.Immutable;
using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Generated.Generators.Parsing;

/// <summary>Parses an attributed class: its shape and constructor here, its layers and wirings in the other parts.</summary>
internal sealed partial class ClassParser
{
    private readonly INamedTypeSymbol _type;
    private readonly ClassKind _kind;
    private readonly AttributeReader _attribute;
    private readonly Compilation _compilation;
    private readonly IClassSource _classes;
    private readonly CancellationToken _cancellation;
    private readonly Reporter _report = new();
    private readonly ImmutableArray<TypeDeclarationSyntax> _declarations;

    private ClassParser(INamedTypeSymbol type, Compilation compilation, IClassSource classes, CancellationToken cancellation)
    {
        _type = type;
        _compilation = compilation;
        _classes = classes;
        _cancellation = cancellation;
        var declaredBy = type.DeclaredBy() ?? throw new ArgumentException($"{type} is not declared.", nameof(type));
        _kind = declaredBy switch { KnownNames.Block => ClassKind.Block, KnownNames.Model => ClassKind.Model, _ => ClassKind.Part };
        _attribute = new AttributeReader(type.Attribute(declaredBy)!, cancellation);
        _declarations = type.DeclaringSyntaxReferences.Select(r => (TypeDeclarationSyntax)r.GetSyntax(cancellation)).ToImmutableArray();
    }

    public static Parsed<ClassSpec> Parse(INamedTypeSymbol type, Compilation compilation, IClassSource classes, CancellationToken cancellation)
    {
        var parser = new ClassParser(type, compilation, classes, cancellation);
        var spec = parser.Parse();
        return new Parsed<ClassSpec>(spec, parser._report.Diagnostics, parser._report.Places);
    }

    private ClassSpec? Parse()
    {
        if (!HasShape()) return null;
        if (_attribute.HasErrors) _report.Break();
        var names = new CheckpointNames(_report);
        var parameters = Parameters(out var config);
        var scope = new MemberScope(_type, parameters, config, _compilation, _report);
        var layers = Layers(new LayerParser(scope, names, _classes, _report));
        CheckTies(layers);
        var bodies = Bodies(layers, scope);
        var ignored = _type.Attribute(KnownNames.Ignore) is { } ignore ? new AttributeReader(ignore, _cancellation) : null;
        var spec = new ClassSpec
        {
            Kind = _kind,
            Namespace = _type.ContainingNamespace.IsGlobalNamespace ? "" : _type.ContainingNamespace.ToDisplayString(),
            Name = _type.Name,
            Accessibility = _type.DeclaredAccessibility == Accessibility.Public ? "public" : "internal",
            Parameters = parameters,
            Prefix = _kind == ClassKind.Block ? names.CheckPrefix(_attribute.Text(0), _attribute.WhereArgument(0)) ?? "" : "",
            PaddlePrefix = _kind == ClassKind.Block ? names.CheckPrefix(_attribute.NamedText("Paddle"), _attribute.WhereNamed("Paddle")) : null,
            Ignored = (ignored?.Texts(0) ?? []).ToEquatableArray(),
            IgnoredInPaddle = (ignored?.NamedTexts("Paddle") ?? []).ToEquatableArray(),
            Layers = layers.ToEquatableArray(),
            Bodies = bodies.ToEquatableArray(),
            Config = config,
            Model = _kind == ClassKind.Model ? Model(config) : null,
            IsBroken = _report.IsBroken,
            Stubs = Stubs(),
        };
        return TakesNames(spec) ? spec with { IsBroken = true, HasTakenName = true } : spec;
    }

    /// <summary>Whether a generated half can be added to the class at all.</summary>
    private bool HasShape()
    {
        var where = _declarations[0].Identifier.GetLocation();
        _report.Mark(Anchors.Class, where);
        _report.Mark(Anchors.Prefix, _attribute.WhereArgument(0));
        if (!_declarations.All(d => d.Modifiers.Any(SyntaxKind.PartialKeyword)))
        {
            _report.Report(RuleId.NotPartial, where, _type.Name);
            return false;
        }

        var wrong = _type.IsRecord ? "must be a class, not a record"
            : _type.ContainingType is not null ? "must not be nested in another type"
            : _type.IsGenericType ? "must not be generic"
            : _type.IsStatic ? "must not be static"
            : _type.IsAbstract ? "must not be abstract"
            : Declarations > 1 ? "must be one of a block, a part, a model and a config"
            : _type.IsFileLocal ? "must not be local to a file"
            : _type.BaseType?.SpecialType != SpecialType.System_Object ? "must not have a base class: the compiler gives it one"
            : null;
        if (wrong is not null) _report.Report(RuleId.ClassShape, where, _type.Name, wrong);
        return wrong is null;
    }

    /// <summary>Whether a member has a name that emitted code needs.</summary>
    private bool TakesNames(ClassSpec spec)
    {
        var taken = new HashSet<string>(EmittedNames.Of(_kind), StringComparer.Ordinal);
        if (spec.IsUsable) taken.UnionWith(EmittedNames.OfWirings(spec));
        return _report.Taken(_type, member => taken.Contains(member.Name)).Count > 0;
    }

    /// <summary>Methods proper: no constructors, accessors or operators, whatever stands on them.</summary>
    private IEnumerable<IMethodSymbol> Methods => _type.GetMembers().OfType<IMethodSymbol>().Where(m => m.MethodKind == MethodKind.Ordinary);

    private int Declarations =>
        new[] { KnownNames.Block, KnownNames.Part, KnownNames.Model, KnownNames.Config }.Count(name => _type.Attribute(name) is not null);

    private EquatableArray<ParameterSpec> Parameters(out ConfigSpec? config)
    {
        config = null;
        var where = _declarations[0].Identifier.GetLocation();
        var primary = _type.InstanceConstructors.FirstOrDefault(
            c => c.DeclaringSyntaxReferences.FirstOrDefault()?.GetSyntax(_cancellation) is TypeDeclarationSyntax);
        var parameters = new List<ParameterSpec>();
        foreach (var parameter in primary?.Parameters ?? [])
        {
            var isConfig = parameter.Type.Attribute(KnownNames.Config) is not null;
            var code = parameter.Type.Code();
            parameters.Add(new ParameterSpec(parameter.Name, parameter.RefKind == RefKind.None ? code : "ref " + code, isConfig));
            var place = parameter.Locations.FirstOrDefault();
            if (EmittedNames.Locals(_kind).Contains(parameter.Name))
                _report.Report(RuleId.ConstructorParameter, place, parameter.Name, _type.Name, "must have another name, because emitted code has a variable of this one");
            if (parameter.Type.TypeKind == TypeKind.Error)
                _report.Break();
            else if (parameter.RefKind != RefKind.None)
                _report.Report(RuleId.ConstructorParameter, place, parameter.Name, _type.Name, "must be passed by value");
            else if (isConfig && config is not null)
                _report.Report(RuleId.ConstructorParameter, place, parameter.Name, _type.Name, "is a second config");
            else if (isConfig)
                config = Config((INamedTypeSymbol)parameter.Type, place);
            else if (_kind != ClassKind.Part)
                _report.Report(RuleId.ConstructorParameter, place, parameter.Name, _type.Name, "must be a [Config] record");
            else if (parameter.Type.SpecialType != SpecialType.System_Int32)
                _report.Report(RuleId.ConstructorParameter, place, parameter.Name, _type.Name, "must be an int width or a [Config] record");
        }

        if (_kind != ClassKind.Part && parameters.Count == 0)
            _report.Report(RuleId.ClassShape, where, _type.Name, "must take its config by primary constructor");
        return parameters.ToEquatableArray();
    }

    private ConfigSpec? Config(INamedTypeSymbol type, Location? where)
    {
        var config = _classes.Config(type);
        if (config is null && _classes.IsForeign(type))
            _report.Report(RuleId.UnreadableDeclaration, where, type.Name, type.ContainingAssembly.Name);
        else if (config is null or { IsBroken: true })
            _report.Break(); // Reported at the config.
        foreach (var preset in type.GetMembers().OfType<IPropertySymbol>())
            if (preset.Attribute(KnownNames.Preset) is { } attribute && preset.Locations.FirstOrDefault() is { IsInSource: true } place)
                _report.Mark(Anchors.Preset(new AttributeReader(attribute, _cancellation).Text(0)), place);
        return config;
    }

    private ModelSpec Model(ConfigSpec? config)
    {
        _report.Mark(Anchors.ModelType, _attribute.WhereArgument(0));
        return new ModelSpec(
            _attribute.Text(0),
            _attribute.NamedTexts("Architectures").ToEquatableArray(),
            _attribute.NamedTexts("PaddleArchitectures").ToEquatableArray(),
            _attribute.NamedText("OptionalPrefix"),
            _attribute.NamedText("RequiredKey"),
            _attribute.NamedText("PaddleModelType"),
            InputScheme(config) ?? KnownNames.DefaultInputs);
    }

    private EquatableArray<string> Stubs() => Methods
        .Where(m => m is { IsPartialDefinition: true, PartialImplementationPart: null } && m.GetAttributes().Any(a => a.IsLayer()))
        .Select(Signature)
        .ToEquatableArray();
}
