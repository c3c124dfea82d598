using System.Collections.Immutable;
using Generated.CodeFixes;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.Text;

namespace Generators.Tests.CodeFixes;

/// <summary>Applies a code fix to the first diagnostic of its rule, as an editor would.</summary>
internal static class Fixing
{
    public static async Task<string> Apply(Fix fix, string source, params string[] others)
    {
        var compiled = Compiled.From([source, .. others]);
        var diagnostic = compiled.Diagnostics.First(d => fix.FixableDiagnosticIds.Contains(d.Id));

        using var workspace = new AdhocWorkspace();
        var document = workspace.AddProject("Fixed", LanguageNames.CSharp)
            .WithParseOptions(Source.ParseOptions)
            .AddDocument("Source0.cs", SourceText.From(source));
        var actions = new List<CodeAction>();
        await fix.RegisterCodeFixesAsync(new CodeFixContext(document, diagnostic, (action, _) => actions.Add(action), default));
        var operations = await Assert.Single(actions).GetOperationsAsync(default);
        var changed = operations.OfType<ApplyChangesOperation>().Single().ChangedSolution.GetDocument(document.Id)!;
        var text = (await changed.GetTextAsync()).ToString();

        var after = Compiled.From([text, .. others]);
        Assert.DoesNotContain(after.Diagnostics, d => d.Id == diagnostic.Id);
        return text;
    }
}
