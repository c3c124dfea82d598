using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Operations;

namespace Generated.Generators.Parsing;

/// <summary>Finds the expressions properties are made of, as operations.</summary>
internal sealed class Getters(Compilation compilation, CancellationToken cancellation)
{
    /// <summary>The single expression a getter returns; null for automatic properties and longer bodies.</summary>
    public IOperation? Getter(IPropertySymbol property)
    {
        if (Syntax(property) is not { } syntax) return null;
        var expression = syntax.ExpressionBody?.Expression;
        if (expression is null)
        {
            var getter = syntax.AccessorList?.Accessors.FirstOrDefault(a => a.Keyword.ValueText == "get");
            expression = getter?.ExpressionBody?.Expression
                ?? (getter?.Body?.Statements is [ReturnStatementSyntax { Expression: { } returned }] ? returned : null);
        }

        return Operation(expression);
    }

    /// <summary>The value an automatic property starts with.</summary>
    public IOperation? Initializer(IPropertySymbol property) => Operation(Syntax(property)?.Initializer?.Value);

    /// <summary>Whether a getter computes something.</summary>
    public bool IsComputed(IPropertySymbol property) => Syntax(property) is { } syntax
        && (syntax.ExpressionBody is not null || syntax.AccessorList?.Accessors.Any(a => a.Keyword.ValueText == "get" && (a.Body ?? (SyntaxNode?)a.ExpressionBody) is not null) == true);

    private PropertyDeclarationSyntax? Syntax(IPropertySymbol property) =>
        property.DeclaringSyntaxReferences.FirstOrDefault()?.GetSyntax(cancellation) as PropertyDeclarationSyntax;

    private IOperation? Operation(ExpressionSyntax? expression)
    {
        if (expression is null) return null;
        var operation = compilation.GetSemanticModel(expression.SyntaxTree).GetOperation(expression, cancellation);
        return operation is IConversionOperation { IsImplicit: true, Operand: var operand } ? operand : operation;
    }
}
