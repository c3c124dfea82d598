using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Generated.Generators.Parsing;

/// <summary>The layers: attributed partial methods, in declaration order.</summary>
internal sealed partial class ClassParser
{
    private List<LayerSpec> Layers(LayerParser parser)
    {
        var layers = new List<LayerSpec>();
        var home = default(SyntaxNode);
        foreach (var method in Methods)
        {
            _cancellation.ThrowIfCancellationRequested();
            var attributes = method.GetAttributes().Where(a => a.IsLayer()).ToList();
            if (attributes.Count == 0)
            {
                // A partial method nobody implements is the C# compiler's to report.
                if (method is { IsPartialDefinition: true, PartialImplementationPart: null, ReturnsVoid: false }) _report.Break();
                continue;
            }

            var syntax = (MethodDeclarationSyntax)method.DeclaringSyntaxReferences[0].GetSyntax(_cancellation);
            var where = syntax.Identifier.GetLocation();
            _report.Mark(Anchors.Layer(method.Name), where);
            home ??= syntax.Parent;
            if (home != syntax.Parent)
            {
                _report.Report(RuleId.SeveralFiles, where, _type.Name);
                home = syntax.Parent;
            }

            if (attributes.Count > 1)
            {
                _report.Report(RuleId.SeveralLayerAttributes, where, method.Name);
                continue;
            }

            var attribute = new AttributeReader(attributes[0], _cancellation);
            if (!HasShape(method, attribute, where)) continue;
            var modifiers = string.Join(" ", syntax.Modifiers.Where(m => !m.IsKind(SyntaxKind.PartialKeyword)).Select(m => m.ValueText));
            if (parser.Parse(method, attribute, modifiers) is { } layer) layers.Add(layer);
            else _report.Break();
        }

        return layers;
    }

    /// <summary>Whether the method has the signature its layer asks for.</summary>
    private bool HasShape(IMethodSymbol method, AttributeReader attribute, Location where)
    {
        var kind = attribute.Class!.MetadataName;
        if (kind == "RepeatAttribute`1" && _kind != ClassKind.Model)
        {
            _report.Report(RuleId.ClassShape, attribute.Where, _type.Name, "must not repeat a block: only a model does");
            return false;
        }

        var sections = attribute.Texts(0).Length;
        if (kind == "SectionsAttribute" && sections is not (2 or 3))
        {
            _report.Report(RuleId.LayerShape, attribute.Where, method.Name, "[Sections] of two or three widths");
            return false;
        }

        var result = kind != "SectionsAttribute" ? KnownNames.Flow : sections == 2 ? KnownNames.Flow2 : KnownNames.Flow3;
        string[] arguments = kind switch
        {
            "EmbeddingAttribute" or "PositionEmbeddingAttribute" => [KnownNames.Tokens],
            "AttentionAttribute" => [KnownNames.Flow, KnownNames.Flow, KnownNames.Flow],
            _ => [KnownNames.Flow],
        };
        if (method.ReturnType.TypeKind == TypeKind.Error || method.Parameters.Any(p => p.Type.TypeKind == TypeKind.Error))
        {
            _report.Break();
            return false;
        }

        var isRight = method is { IsPartialDefinition: true, PartialImplementationPart: null, IsStatic: false, IsGenericMethod: false }
            && method.ReturnType.Is(result)
            && method.Parameters.Length == arguments.Length
            && method.Parameters.Zip(arguments, (p, wanted) => p.RefKind == RefKind.None && p.Type.Is(wanted)).All(fits => fits);
        if (isRight) return true;

        var parameters = arguments.Length == 3 ? "Flow q, Flow k, Flow v" : arguments[0] == KnownNames.Tokens ? "Tokens ids" : "Flow x";
        _report.Report(RuleId.LayerShape, where, method.Name, $"private partial {Short(result)} {method.Name}({parameters})");
        return false;
    }

    /// <summary>A shared matrix must be an embedding of this class.</summary>
    private void CheckTies(List<LayerSpec> layers)
    {
        foreach (var linear in layers.OfType<LinearSpec>())
        {
            if (linear.TiedTo is not { } target || layers.Any(l => l is EmbeddingSpec && l.Member == target)) continue;
            _report.Report(RuleId.TiedTarget, _report.Places.Find(Anchors.LayerArgument(linear.Member, "TiedTo")), linear.Member, target);
        }
    }

    private static string Short(string metadataName) => metadataName.Substring(KnownNames.Namespace.Length + 1);

    /// <summary>A partial method's signature as the implementing half repeats it.</summary>
    private string Signature(IMethodSymbol method)
    {
        var syntax = (MethodDeclarationSyntax)method.DeclaringSyntaxReferences[0].GetSyntax(_cancellation);
        var modifiers = string.Join(" ", syntax.Modifiers.Select(m => m.ValueText));
        var parameters = method.Parameters.Select(p => $"{p.Type.Code()} {p.Name}");
        return $"{modifiers} {method.ReturnType.Code()} {method.Name}({string.Join(", ", parameters)})";
    }
}
