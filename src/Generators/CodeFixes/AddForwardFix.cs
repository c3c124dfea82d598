using System.Composition;
using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Formatting;

namespace Generated.CodeFixes;

/// <summary>GEN0002: adds a Forward that sends its input through the layers in the order they are declared.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp, Name = nameof(AddForwardFix)), Shared]
public sealed class AddForwardFix() : Fix(RuleId.ForwardMissing)
{
    /// <inheritdoc/>
    protected override (string, SyntaxNode, SyntaxNode)? Change(SyntaxNode node, Diagnostic diagnostic)
    {
        if (node.FirstAncestorOrSelf<TypeDeclarationSyntax>() is not { } type) return null;
        var layers = type.Members.OfType<MethodDeclarationSyntax>()
            .Where(m => m.Modifiers.Any(SyntaxKind.PartialKeyword) && m.ParameterList.Parameters.Count == 1 && m.ReturnType.ToString() == "Flow")
            .ToList();
        var takesTokens = layers.FirstOrDefault()?.ParameterList.Parameters[0].Type?.ToString() == "Tokens";
        var (input, name) = takesTokens ? ("Tokens", "ids") : ("Flow", "x");
        var result = layers.Aggregate(name, (value, layer) => $"{layer.Identifier.ValueText}({value})");
        var method = SyntaxFactory.ParseMemberDeclaration($"public Flow Forward({input} {name}) => {result};")!
            .WithLeadingTrivia(SyntaxFactory.ElasticCarriageReturnLineFeed)
            .WithAdditionalAnnotations(Formatter.Annotation);
        return ("Add Forward", type, type.AddMembers(method));
    }
}
