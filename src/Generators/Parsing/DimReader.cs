using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace Generated.Generators.Parsing;

/// <summary>
/// Reads an <c>int</c> expression as a polynomial of named widths. What is not a polynomial (a division, a condition)
/// has none, and the property it defines is then an opaque width of its own.
/// </summary>
internal sealed class DimReader(Getters getters)
{
    /// <summary>The width a property stands for: itself where it is settable or opaque, its expression where it is derived.</summary>
    public Dim Property(IPropertySymbol property) => Property(property, depth: 0);

    /// <summary>
    /// The two widths of an integer division that is meant to come out even: products of members such as
    /// <c>Hidden / Heads</c> or <c>HeadDim / 2</c>, not a rounding idiom such as <c>(x + 255) / 256</c> or <c>8 * x / 3</c>.
    /// </summary>
    public (Dim Dividend, Dim Divisor)? Quotient(IOperation? operation) =>
        operation is IBinaryOperation { OperatorKind: BinaryOperatorKind.Divide, OperatorMethod: null } division
        && Read(division.LeftOperand, depth: 0) is { Terms: [var dividend] } left
        && Read(division.RightOperand, depth: 0) is { Terms: [var divisor] } right
        && dividend.Atoms.Count > 0 && (divisor.Atoms.Count > 0 || dividend.Coefficient == 1)
            ? (left, right)
            : null;

    private Dim Property(IPropertySymbol property, int depth)
    {
        const int deepest = 32; // A getter that reaches itself never returns anyway: call it opaque.
        if (property.SetMethod is not null || depth > deepest) return Dim.Atom(property.Name);
        return getters.Getter(property) is { } getter && Read(getter, depth + 1) is { } value ? value : Dim.Atom(property.Name);
    }

    private Dim? Read(IOperation operation, int depth)
    {
        switch (operation)
        {
            case { ConstantValue: { HasValue: true, Value: int constant } }:
                return Dim.Constant(constant);
            case IParameterReferenceOperation { Parameter: { Type.SpecialType: SpecialType.System_Int32 } parameter }:
                return Dim.Atom(parameter.Name);
            case IPropertyReferenceOperation { Property: { Type.SpecialType: SpecialType.System_Int32, IsStatic: false } property }:
                return Property(property, depth);
            case IBinaryOperation { OperatorMethod: null } binary
                when Read(binary.LeftOperand, depth) is { } left && Read(binary.RightOperand, depth) is { } right:
                return Combine(binary.OperatorKind, left, right);
            case IUnaryOperation { OperatorKind: UnaryOperatorKind.Minus, OperatorMethod: null } unary when Read(unary.Operand, depth) is { } operand:
                return Dim.Constant(0) - operand;
            default:
                return null;
        }
    }

    private static Dim? Combine(BinaryOperatorKind kind, Dim left, Dim right)
    {
        try
        {
            return kind switch
            {
                BinaryOperatorKind.Add => left + right,
                BinaryOperatorKind.Subtract => left - right,
                BinaryOperatorKind.Multiply => left * right,
                _ => null,
            };
        }
        catch (OverflowException)
        {
            return null;
        }
    }
}
