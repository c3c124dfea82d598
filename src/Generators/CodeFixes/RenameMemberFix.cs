using System.Composition;
using Generated.Generators.Graph;
using Generated.Generators.Parsing;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Generated.CodeFixes;

/// <summary>GEN0501: replaces a name that is no member by the nearest that is, written so that the compiler checks it.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp, Name = nameof(RenameMemberFix)), Shared]
public sealed class RenameMemberFix() : Fix(RuleId.UnknownMember)
{
    /// <inheritdoc/>
    protected override (string, SyntaxNode, SyntaxNode)? Change(SyntaxNode node, Diagnostic diagnostic)
    {
        if (!diagnostic.Properties.TryGetValue(FixProperties.Nearest, out var nearest) || nearest is null) return null;
        if (node.FirstAncestorOrSelf<AttributeArgumentSyntax>() is not { } argument) return null;
        var parameters = node.FirstAncestorOrSelf<TypeDeclarationSyntax>()?.ParameterList?.Parameters ?? default;
        var isParameter = parameters.Any(p => p.Identifier.ValueText == nearest);
        var config = parameters.FirstOrDefault(p => p.Type is not PredefinedTypeSyntax);
        var reference = isParameter || config is null ? nearest : $"{config.Identifier.ValueText}.{nearest}";
        var expression = SyntaxFactory.ParseExpression($"nameof({reference})").WithTriviaFrom(argument.Expression);
        return ($"Change to '{nearest}'", argument, argument.WithExpression(expression));
    }
}
