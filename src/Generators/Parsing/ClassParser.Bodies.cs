using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Generated.Generators.Parsing;

/// <summary>The wirings: Forward and the methods that replace it under a condition.</summary>
internal sealed partial class ClassParser
{
    private const string Forward = "Forward";

    private List<BodySpec> Bodies(List<LayerSpec> layers, MemberScope scope)
    {
        var bodies = new List<BodySpec>();
        var used = new HashSet<string>(StringComparer.Ordinal);
        var isComplete = true;
        foreach (var (method, when) in Wirings(scope))
        {
            var syntax = (MethodDeclarationSyntax)method.DeclaringSyntaxReferences[0].GetSyntax(_cancellation);
            _report.Mark(Anchors.Body(method.Name), syntax.Identifier.GetLocation());
            if (!HasForwardShape(method, syntax.Identifier.GetLocation(), isForward: when is null))
            {
                isComplete = false;
                continue;
            }

            var parser = new BodyParser(_type, layers, _compilation, _report, _cancellation);
            if (parser.Parse(method, when) is { } body) bodies.Add(body);
            else isComplete = false;
            used.UnionWith(parser.Called);
        }

        if (isComplete && bodies.Count > 0 && !_report.IsBroken)
        {
            foreach (var layer in layers.Where(layer => !used.Contains(layer.Member)))
                _report.Report(RuleId.LayerUnused, _report.Places.Find(Anchors.Layer(layer.Member)), layer.Member);
        }

        return bodies;
    }

    /// <summary>Forward first, then the switched wirings in declaration order.</summary>
    private IEnumerable<(IMethodSymbol Method, string? When)> Wirings(MemberScope scope)
    {
        var forwards = Methods.Where(m => m.Name == Forward && m.Attribute(KnownNames.ForwardWhen) is null).ToList();
        if (forwards.Count == 0)
            _report.Report(RuleId.ForwardMissing, _declarations[0].Identifier.GetLocation(), _type.Name, ForwardSignature(Forward));
        foreach (var extra in forwards.Skip(1))
            _report.Report(RuleId.ForwardDuplicate, extra.Locations.FirstOrDefault(), _type.Name);
        if (forwards.Count > 0) yield return (forwards[0], null);

        foreach (var method in Methods)
        {
            if (method.Attribute(KnownNames.ForwardWhen) is not { } data) continue;
            var attribute = new AttributeReader(data, _cancellation);
            if (attribute.HasErrors) _report.Break();
            else yield return (method, scope.Flag(attribute.Text(0), attribute.WhereArgument(0), "a condition") ?? "false");
        }
    }

    private bool HasForwardShape(IMethodSymbol method, Location where, bool isForward)
    {
        if (method.ReturnType.TypeKind == TypeKind.Error || method.Parameters.Any(p => p.Type.TypeKind == TypeKind.Error))
        {
            _report.Break();
            return false;
        }

        var argument = _kind == ClassKind.Model ? KnownNames.Tokens : KnownNames.Flow;
        if (method is { IsStatic: false, IsGenericMethod: false, IsAsync: false, Parameters.Length: 1 }
            && (!isForward || method.DeclaredAccessibility == Accessibility.Public)
            && method.ReturnType.Is(KnownNames.Flow)
            && method.Parameters[0].RefKind == RefKind.None
            && method.Parameters[0].Type.Is(argument)) return true;
        _report.Report(RuleId.ForwardShape, where, method.Name, ForwardSignature(method.Name));
        return false;
    }

    private string ForwardSignature(string name) =>
        _kind == ClassKind.Model ? $"public Flow {name}(Tokens ids)" : $"public Flow {name}(Flow x)";
}
