using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Generated.Generators.Analysis;
using Generated.Generators.Diagnostics;
using Generated.Generators.Graph;
using Generated.Generators.Parsing;
using Generated.Generators.Printing;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Text;

namespace Generated.Generators;

/// <summary>
/// The compiler of the declaration language. One parse feeds two outputs: source, which depends on nothing but equatable
/// graphs and is therefore cached across edits that do not change them; and diagnostics, which keep real locations.
/// </summary>
[Generator(LanguageNames.CSharp)]
public sealed class ArchitectureGenerator : IIncrementalGenerator
{
    private static readonly Encoding WithoutMark = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);

    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        var rootNamespace = context.AnalyzerConfigOptionsProvider.Combine(context.CompilationProvider.Select((c, _) => c.AssemblyName)).Select(
            (pair, _) => pair.Left.GlobalOptions.TryGetValue("build_property.RootNamespace", out var name) && name.Length > 0
                ? name
                : pair.Right ?? "");

        var configs = Declared(context, KnownNames.Config, ClassSource.ParseConfig).WithTrackingName(TrackingNames.Configs);
        var configSpecs = configs.Select((parsed, _) => parsed.Spec).Where(spec => spec is not null).WithTrackingName(TrackingNames.ConfigSpecs);
        context.RegisterSourceOutput(configSpecs, (output, spec) => Emit(output, spec!.HintName, () => ConfigPrinter.Print(spec)));
        context.RegisterSourceOutput(configs, (output, parsed) => Report(output, parsed.Diagnostics));

        var blocks = Classes(context, KnownNames.Block);
        var parts = Classes(context, KnownNames.Part);
        var models = Classes(context, KnownNames.Model);
        var names = models.Select((spec, _) => spec.IsUsable ? spec.FullName : null).Where(name => name is not null)
            .Collect()
            .Select((all, _) => all.Select(name => name!).Distinct().OrderBy(name => name, StringComparer.Ordinal).ToEquatableArray());
        var registry = names.Combine(rootNamespace).WithTrackingName(TrackingNames.Registry);
        context.RegisterSourceOutput(registry, (output, pair) =>
        {
            if (pair.Left.Count > 0) Emit(output, RegistryPrinter.HintName, () => RegistryPrinter.Print(pair.Right, pair.Left));
        });
        Recipes(context);
    }

    /// <summary>Registers both outputs of declared recipes. What a recipe emits does not depend on the model, what is said about it does.</summary>
    private static void Recipes(IncrementalGeneratorInitializationContext context)
    {
        var parsed = context.SyntaxProvider.ForAttributeWithMetadataName(
            RecipeNames.Quantize,
            static (node, _) => node is TypeDeclarationSyntax,
            static (match, cancellation) => match.TargetSymbol is INamedTypeSymbol type
                ? InInvariantCulture(() => ClassSource.ParseRecipe(type, match.SemanticModel.Compilation, cancellation))
                : null)
            .Where(recipe => recipe is not null).Select((recipe, _) => recipe!).WithTrackingName(TrackingNames.Recipes);
        var declared = parsed.Select((p, _) => p.Spec).Where(spec => spec is not null).Select((spec, _) => spec!);
        var specs = declared.Select((d, _) => d.Spec).WithTrackingName(TrackingNames.RecipeSpecs);
        context.RegisterSourceOutput(specs, (output, spec) => Emit(output, spec.HintName, () => RecipePrinter.Print(spec)));

        var findings = declared.Select((d, _) => CheckedRecipe.Of(d)).WithTrackingName(TrackingNames.RecipeFindings).Where(c => c.Issues.Count > 0).Collect();
        context.RegisterSourceOutput(parsed.Combine(findings), (output, pair) => Report(output, Diagnostics(pair.Left, pair.Right)));
    }

    /// <summary>Registers both outputs of the classes with an attribute, and gives their graphs.</summary>
    private static IncrementalValuesProvider<ClassSpec> Classes(IncrementalGeneratorInitializationContext context, string attribute)
    {
        var parsed = Declared(context, attribute, ClassSource.Parse).WithTrackingName(TrackingNames.Classes);
        var analysed = parsed.Select((p, _) => p.Spec).Where(spec => spec is not null).Select((spec, _) => Analysed.Of(spec!));
        var specs = analysed.Select((a, _) => a.Spec).WithTrackingName(TrackingNames.ClassSpecs);
        context.RegisterSourceOutput(specs, (output, spec) => Emit(output, spec.HintName, () => ClassPrinter.Print(spec)));

        // Places change with every edit and graphs rarely do, so issues are found once per graph and placed once per edit.
        var issues = analysed.Where(a => a.Issues.Count > 0).Collect();
        context.RegisterSourceOutput(parsed.Combine(issues), (output, pair) => Report(output, Diagnostics(pair.Left, pair.Right)));
        if (attribute == KnownNames.Model)
            context.RegisterSourceOutput(parsed.Collect(), (output, all) => Report(output, DuplicateModelTypes(all)));
        return specs;
    }

    private static IncrementalValuesProvider<Parsed<TSpec>> Declared<TSpec>(
        IncrementalGeneratorInitializationContext context,
        string attribute,
        Func<INamedTypeSymbol, Compilation, CancellationToken, Parsed<TSpec>> parse)
        where TSpec : class =>
        context.SyntaxProvider.ForAttributeWithMetadataName(
            attribute,
            static (node, _) => node is TypeDeclarationSyntax,
            (match, cancellation) => match.TargetSymbol is INamedTypeSymbol type && type.DeclaredBy() == attribute
                ? InInvariantCulture(() => parse(type, match.SemanticModel.Compilation, cancellation))
                : null)
        .Where(parsed => parsed is not null)!;

    private static ImmutableArray<Diagnostic> Diagnostics(Parsed<ClassSpec> parsed, ImmutableArray<Analysed> all)
    {
        if (parsed.Spec is not { } spec || all.FirstOrDefault(a => a.Spec.FullName == spec.FullName) is not { } analysed) return parsed.Diagnostics;
        return parsed.Diagnostics.AddRange(analysed.Issues.Select(parsed.Places.ToDiagnostic));
    }

    private static ImmutableArray<Diagnostic> Diagnostics(Parsed<RecipeDeclaration> parsed, ImmutableArray<CheckedRecipe> all) =>
        parsed.Spec is { Spec: var spec } && all.FirstOrDefault(c => c.HintName == spec.HintName) is { } found
            ? parsed.Diagnostics.AddRange(found.Issues.Select(parsed.Places.ToDiagnostic))
            : parsed.Diagnostics;

    private static ImmutableArray<Diagnostic> DuplicateModelTypes(ImmutableArray<Parsed<ClassSpec>> models)
    {
        var first = new Dictionary<(string ModelType, string? RequiredKey), ClassSpec>();
        var duplicates = ImmutableArray.CreateBuilder<Diagnostic>();
        foreach (var parsed in models)
        {
            if (parsed.Spec is not { Model: { } model } spec) continue;
            var key = (model.ModelType, model.RequiredKey);
            if (!first.TryGetValue(key, out var earlier)) first.Add(key, spec);
            else duplicates.Add(Diagnostic.Create(Rules.DuplicateModelType, parsed.Places.Find(Anchors.ModelType), model.ModelType, earlier.Name));
        }

        return duplicates.ToImmutable();
    }

    private static void Emit(SourceProductionContext output, string hintName, Func<string> print) =>
        output.AddSource(hintName, SourceText.From(InInvariantCulture(print), WithoutMark));

    private static void Report(SourceProductionContext output, ImmutableArray<Diagnostic> diagnostics)
    {
        foreach (var diagnostic in diagnostics) output.ReportDiagnostic(diagnostic);
    }

#pragma warning disable RS1035, RS0030 // Set for our own work only, and set back.
    /// <summary>Keeps the machine's culture (a comma, a minus sign) out of emitted code and messages.</summary>
    private static T InInvariantCulture<T>(Func<T> work)
    {
        var culture = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
            return work();
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }
#pragma warning restore RS1035, RS0030
}
