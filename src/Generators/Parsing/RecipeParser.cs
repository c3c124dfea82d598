using System.Collections.Immutable;
using Generated.Generators.Graph;
using Generated.Quant.Recipes;
using Generated.Quant.Recipes.Rules;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Generated.Generators.Parsing;

/// <summary>Parses a class with <c>[Quantize&lt;T&gt;]</c> into the recipe that its attributes say.</summary>
internal sealed class RecipeParser
{
    private readonly INamedTypeSymbol _type;
    private readonly Compilation _compilation;
    private readonly CancellationToken _cancellation;
    private readonly Reporter _report = new();

    private RecipeParser(INamedTypeSymbol type, Compilation compilation, CancellationToken cancellation) =>
        (_type, _compilation, _cancellation) = (type, compilation, cancellation);

    public static Parsed<RecipeDeclaration> Parse(
        INamedTypeSymbol type, Compilation compilation, IClassSource classes, CancellationToken cancellation)
    {
        var parser = new RecipeParser(type, compilation, cancellation);
        var declaration = parser.Parse(classes);
        return new Parsed<RecipeDeclaration>(declaration, parser._report.Diagnostics, parser._report.Places);
    }

    private RecipeDeclaration? Parse(IClassSource classes)
    {
        var quantize = new AttributeReader(_type.RecipeAttributes(RecipeNames.Quantize).First(), _cancellation);
        if (!HasShape() || quantize.TypeArgument is not { TypeKind: not TypeKind.Error } model) return null;
        var recipe = new QuantRecipe { Name = quantize.NamedText("Name") ?? _type.Name };
        recipe = (QuantRecipe)Options(quantize, "", recipe, RecipeSchema.Own);
        foreach (var section in RecipeSchema.Sections) recipe = Section(recipe, section);
        var graph = Model(model, quantize, classes);
        recipe = recipe with { Keep = Keep().Select(layer => Path(layer, graph)).ToImmutableArray() };
        recipe = recipe with { Overrides = Overrides(recipe).Select(o => o with { Layer = Path(o.Layer, graph) }).ToImmutableArray() };
        var spec = new RecipeSpec(
            _type.ContainingNamespace.IsGlobalNamespace ? "" : _type.ContainingNamespace.ToDisplayString(), _type.Name, model.Code(), recipe);
        return new RecipeDeclaration(spec, _report.IsBroken ? null : graph);
    }

    /// <summary>The value that a constant of a model's generated half will have.</summary>
    private static string Path(string layer, ClassSpec? model)
    {
        if (model is null || layer.Split('.') is not [var owner, "Paths", var member]) return layer;
        return model.Layers.OfType<RepeatSpec>().Select(r => r.Block).Prepend(model)
            .Where(c => c.Name == owner)
            .SelectMany(c => Flattening.Layers(c))
            .Where(l => l.Path.Replace(".", "") == member)
            .Select(l => $"{owner}.{l.Path}")
            .FirstOrDefault() ?? $"{owner}.{member}";
    }

    /// <summary>Whether a generated half can be added to the class.</summary>
    private bool HasShape()
    {
        var declarations = _type.DeclaringSyntaxReferences.Select(r => (TypeDeclarationSyntax)r.GetSyntax(_cancellation)).ToList();
        var where = declarations[0].Identifier.GetLocation();
        _report.Mark(Anchors.Class, where);
        var wrong = !_type.IsStatic || _type.IsRecord ? "a static class"
            : !declarations.All(d => d.Modifiers.Any(SyntaxKind.PartialKeyword)) ? "partial, so that the compiler can add the recipe to it"
            : _type.ContainingType is not null ? "a type of its own, not nested in another"
            : _type.IsGenericType ? "without type parameters"
            : _type.IsFileLocal ? "visible outside its file"
            : null;
        if (wrong is not null) _report.Report(RuleId.RecipeShape, where, _type.Name, wrong);
        return wrong is null;
    }

    private ClassSpec? Model(ITypeSymbol model, AttributeReader quantize, IClassSource classes)
    {
        if (model is not INamedTypeSymbol named || named.Attribute(KnownNames.Model) is null)
        {
            _report.Report(RuleId.NotAnArchitecture, quantize.WhereType, model.Name);
            return null;
        }

        var result = classes.Class(named);
        if (result.Outcome == ClassOutcome.Unreadable) _report.Report(RuleId.UnreadableDeclaration, quantize.WhereType, model.Name, model.ContainingAssembly.Name);
        return result.Spec;
    }

    private QuantRecipe Section(QuantRecipe recipe, RecipeSection section)
    {
        if (_type.RecipeAttributes(RecipeNames.Attribute(section)).FirstOrDefault() is not { } data) return recipe;
        var attribute = new AttributeReader(data, _cancellation, _compilation);
        _report.Mark(section.Name, attribute.Where);
        return section.With(recipe, Options(attribute, section.Name, section.Create(), section.Options));
    }

    /// <summary>Sets what an attribute's named arguments say.</summary>
    /// <param name="prefix">Stands before an option's name in the attribute, where one attribute has several sections.</param>
    private object Options(AttributeReader attribute, string place, object values, IReadOnlyList<RecipeOption> options, string prefix = "")
    {
        if (attribute.HasNamedErrors) _report.Break();
        foreach (var option in options)
        {
            if (attribute.NamedValue(prefix + option.Name) is not { } value) continue;
            _report.Mark(place.Length == 0 ? option.Name : $"{place}:{option.Name}", attribute.WhereNamed(prefix + option.Name));
            if (Typed(option.Type, value) is { } typed) values = option.With(values, typed);
            else _report.Break();
        }

        return values;
    }

    private ImmutableArray<string> Keep()
    {
        if (_type.RecipeAttributes(RecipeNames.Keep).FirstOrDefault() is not { } data) return [];
        var attribute = new AttributeReader(data, _cancellation, _compilation);
        _report.Mark("Keep", attribute.Where);
        var layers = attribute.TextsOrNames(0);
        for (var i = 0; i < layers.Length; i++) _report.Mark($"Keep:{i}", layers.Length == attribute.Positional ? attribute.WhereArgument(i) : attribute.Where);
        if (layers.Contains("")) _report.Break();
        return layers;
    }

    private ImmutableArray<LayerOverride> Overrides(QuantRecipe recipe)
    {
        var overrides = ImmutableArray.CreateBuilder<LayerOverride>();
        foreach (var data in _type.RecipeAttributes(RecipeNames.Override))
        {
            var attribute = new AttributeReader(data, _cancellation, _compilation);
            var place = $"Overrides:{overrides.Count}";
            _report.Mark(place, attribute.WhereArgument(0));
            var layer = attribute.TextOrName(0);
            if (layer.Length == 0) _report.Break();
            overrides.Add(new LayerOverride(layer)
            {
                Keep = attribute.NamedValue("Keep") is true,
                Weights = Says(attribute, "Weight", RecipeSchema.Weights)
                    ? (WeightFormat)Options(attribute, place, recipe.Weights ?? new(), RecipeSchema.Weights, "Weight") : null,
                Activations = Says(attribute, "Activation", RecipeSchema.Activations)
                    ? (ActivationFormat)Options(attribute, place, recipe.Activations ?? new(), RecipeSchema.Activations, "Activation") : null,
            });
        }

        return overrides.ToImmutable();
    }

    /// <summary>The value in the option's type; null where it is of another, which the compiler says.</summary>
    private static object? Typed(Type type, object value) =>
        type.IsEnum ? value is int ? Enum.ToObject(type, value) : null
        : type == typeof(double) && value is int whole ? (double)whole
        : value.GetType() == type ? value : null;

    private static bool Says(AttributeReader attribute, string prefix, IReadOnlyList<RecipeOption> options) =>
        options.Any(o => attribute.NamedValue(prefix + o.Name) is not null);
}
