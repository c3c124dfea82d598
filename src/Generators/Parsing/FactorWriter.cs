using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace Generated.Generators.Parsing;

/// <summary>
/// Writes a number's expression as C# that means the same anywhere inside the class: full names, helpers' parameters and
/// locals replaced by what they stand for.
/// </summary>
/// <param name="type">The declaring class.</param>
/// <param name="local">Code of a local number or a helper's parameter; null where the symbol is neither.</param>
internal sealed class FactorWriter(INamedTypeSymbol type, Func<ISymbol, string?> local)
{
    /// <summary>Null where the expression uses anything but constants and members of the class or its config.</summary>
    public string? Write(IOperation operation) => operation switch
    {
        { ConstantValue: { HasValue: true, Value: var value } } => Literal(value),
        IConversionOperation { IsImplicit: true, OperatorMethod: null } conversion => Write(conversion.Operand),
        IConversionOperation { OperatorMethod: null, Type: { } target } conversion => Format("({0})({1})", target.Code(), Write(conversion.Operand)),
        ILocalReferenceOperation { Local: var symbol } => local(symbol),
        IParameterReferenceOperation { Parameter: var symbol } => local(symbol) ?? (IsConstructor(symbol) ? symbol.Name : null),
        IPropertyReferenceOperation { Arguments.IsEmpty: true } reference => Member(reference.Instance, reference.Property),
        IFieldReferenceOperation reference => Member(reference.Instance, reference.Field),
        IInvocationOperation call => Call(call),
        IUnaryOperation { OperatorMethod: null, OperatorKind: UnaryOperatorKind.Minus } unary => Format("-({0})", Write(unary.Operand)),
        IBinaryOperation { OperatorMethod: null } binary when Symbol(binary.OperatorKind) is { } symbol =>
            Format("({0} {1} {2})", Write(binary.LeftOperand), symbol, Write(binary.RightOperand)),
        IConditionalOperation { WhenFalse: { } otherwise } conditional =>
            Format("({0} ? {1} : {2})", Write(conditional.Condition), Write(conditional.WhenTrue), Write(otherwise)),
        _ => null,
    };

    private string? Member(IOperation? instance, ISymbol member) => instance switch
    {
        null => Format("{0}.{1}", member.ContainingType.Code(), member.Name),
        IInstanceReferenceOperation when SymbolEqualityComparer.Default.Equals(member.ContainingType, type) => member.Name,
        IParameterReferenceOperation { Parameter: var parameter } when IsConstructor(parameter) => $"{parameter.Name}.{member.Name}",
        _ => null,
    };

    private string? Call(IInvocationOperation call)
    {
        var method = call.TargetMethod;
        if (method.IsGenericMethod || method.Parameters.Any(p => p.RefKind != RefKind.None)) return null;
        var arguments = call.Arguments.OrderBy(a => a.Parameter?.Ordinal).Select(a => Write(a.Value)).ToList();
        if (arguments.Any(a => a is null)) return null;
        var name = method.IsStatic ? Format("{0}.{1}", method.ContainingType.Code(), method.Name) : Member(call.Instance, method);
        return name is null ? null : $"{name}({string.Join(", ", arguments)})";
    }

    private bool IsConstructor(IParameterSymbol parameter) =>
        parameter.ContainingSymbol is IMethodSymbol { MethodKind: MethodKind.Constructor } constructor
        && SymbolEqualityComparer.Default.Equals(constructor.ContainingType, type);

    private static string? Symbol(BinaryOperatorKind kind) => kind switch
    {
        BinaryOperatorKind.Add => "+",
        BinaryOperatorKind.Subtract => "-",
        BinaryOperatorKind.Multiply => "*",
        BinaryOperatorKind.Divide => "/",
        BinaryOperatorKind.Remainder => "%",
        BinaryOperatorKind.LessThan => "<",
        BinaryOperatorKind.LessThanOrEqual => "<=",
        BinaryOperatorKind.GreaterThan => ">",
        BinaryOperatorKind.GreaterThanOrEqual => ">=",
        BinaryOperatorKind.Equals => "==",
        BinaryOperatorKind.NotEquals => "!=",
        BinaryOperatorKind.ConditionalAnd => "&&",
        BinaryOperatorKind.ConditionalOr => "||",
        _ => null,
    };

    private static string? Literal(object? value) => value switch
    {
        bool flag => flag ? "true" : "false",
        int number => number.ToString(CultureInfo.InvariantCulture),
        long number => number.ToString(CultureInfo.InvariantCulture) + "L",
        float number => Real(number.ToString("R", CultureInfo.InvariantCulture)) + "f",
        double number => Real(number.ToString("R", CultureInfo.InvariantCulture)),
        _ => null,
    };

    private static string Real(string digits) => digits.IndexOfAny(['.', 'E', 'N', 'I']) >= 0 ? digits : digits + ".0";

    /// <summary>Null as soon as one part is null.</summary>
    private static string? Format(string format, params string?[] parts) =>
        parts.Any(part => part is null) ? null : string.Format(CultureInfo.InvariantCulture, format, parts);
}
