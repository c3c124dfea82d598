using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;

namespace Generated.CodeFixes;

/// <summary>A fix that replaces one node of one document.</summary>
/// <param name="ruleId">The rule it fixes.</param>
public abstract class Fix(string ruleId) : CodeFixProvider
{
    /// <inheritdoc/>
    public sealed override ImmutableArray<string> FixableDiagnosticIds => [ruleId];

    /// <inheritdoc/>
    public sealed override FixAllProvider GetFixAllProvider() => WellKnownFixAllProviders.BatchFixer;

    /// <inheritdoc/>
    public sealed override async Task RegisterCodeFixesAsync(CodeFixContext context)
    {
        var root = await context.Document.GetSyntaxRootAsync(context.CancellationToken).ConfigureAwait(false);
        if (root is null) return;
        foreach (var diagnostic in context.Diagnostics)
        {
            var node = root.FindNode(diagnostic.Location.SourceSpan, getInnermostNodeForTie: true);
            if (Change(node, diagnostic) is not var (title, old, replacement)) continue;
            context.RegisterCodeFix(
                CodeAction.Create(title, _ => Task.FromResult(context.Document.WithSyntaxRoot(root.ReplaceNode(old, replacement))), ruleId),
                diagnostic);
        }
    }

    /// <summary>What to replace by what, or null where there is nothing sensible to offer.</summary>
    /// <param name="node">The node at the diagnostic's place.</param>
    /// <param name="diagnostic">The diagnostic.</param>
    protected abstract (string Title, SyntaxNode Old, SyntaxNode Replacement)? Change(SyntaxNode node, Diagnostic diagnostic);
}
