using System.Composition;
using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Generated.CodeFixes;

/// <summary>GEN0001: adds <c>partial</c> to a class or record.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp, Name = nameof(MakePartialFix)), Shared]
public sealed class MakePartialFix() : Fix(RuleId.NotPartial)
{
    /// <inheritdoc/>
    protected override (string, SyntaxNode, SyntaxNode)? Change(SyntaxNode node, Diagnostic diagnostic)
    {
        if (node.FirstAncestorOrSelf<TypeDeclarationSyntax>() is not { } type) return null;
        var partial = SyntaxFactory.Token(SyntaxKind.PartialKeyword).WithTrailingTrivia(SyntaxFactory.Space);
        if (type.Modifiers.Count > 0) return ($"Make '{type.Identifier.ValueText}' partial", type, type.AddModifiers(partial));

        // Without modifiers the keyword carries the comments and line breaks in front of the declaration.
        var leading = type.Keyword.LeadingTrivia;
        var bare = type.WithKeyword(type.Keyword.WithLeadingTrivia());
        return ($"Make '{type.Identifier.ValueText}' partial", type, bare.AddModifiers(partial.WithLeadingTrivia(leading)));
    }
}
