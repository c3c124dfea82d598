using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace Generated.Generators.Parsing;

/// <summary>An integer division that leaves a remainder.</summary>
internal sealed record InexactDivision(string Expression, long Dividend, long Divisor);

/// <summary>
/// Evaluates the members of a config whose settable properties have given values: property initialisers, getters over
/// <c>field</c>, arithmetic, comparisons and conditions. What it cannot evaluate is unknown, never guessed.
/// </summary>
internal sealed class PresetEvaluator(Getters getters, DimReader dims, IReadOnlyDictionary<string, Constant> assigned)
{
    private readonly Dictionary<string, Constant> _known = new(StringComparer.Ordinal);
    private readonly HashSet<string> _pending = new(StringComparer.Ordinal);
    private readonly List<InexactDivision> _inexact = [];

    /// <summary>Divisions that were meant to come out even and did not.</summary>
    public IReadOnlyList<InexactDivision> Inexact => _inexact;

    /// <summary>The value a property's getter gives.</summary>
    public Constant Property(IPropertySymbol property)
    {
        if (_known.TryGetValue(property.Name, out var known)) return known;
        if (!_pending.Add(property.Name)) return Constant.Unknown;
        var value = getters.Getter(property) is { } getter ? Evaluate(getter)
            : getters.IsComputed(property) ? Constant.Unknown
            : Field(property);
        _pending.Remove(property.Name);
        return _known[property.Name] = value;
    }

    /// <summary>The value behind a property: what was assigned, else its initialiser, else zero.</summary>
    private Constant Field(IPropertySymbol property) =>
        assigned.TryGetValue(property.Name, out var value) ? value
        : getters.Initializer(property) is { } initializer ? Evaluate(initializer)
        : Constant.Default(property.Type);

    public Constant Evaluate(IOperation operation)
    {
        if (operation.ConstantValue is { HasValue: true, Value: var constant }) return Constant.Of(constant);
        switch (operation)
        {
            case IPropertyReferenceOperation { Property.IsStatic: false } reference when reference.Instance is IInstanceReferenceOperation or IParameterReferenceOperation:
                return Property(reference.Property);
            case IFieldReferenceOperation { Field.AssociatedSymbol: IPropertySymbol property }:
                return Field(property);
            case IConversionOperation { OperatorMethod: null } conversion:
                return Evaluate(conversion.Operand).ConvertTo(conversion.Type);
            case IConditionalOperation { WhenFalse: { } otherwise } conditional:
                return Evaluate(conditional.Condition).Flag is not { } flag ? Constant.Unknown : Evaluate(flag ? conditional.WhenTrue : otherwise);
            case ICoalesceOperation coalesce:
                var value = Evaluate(coalesce.Value);
                return value.IsNull ? Evaluate(coalesce.WhenNull) : value;
            case IUnaryOperation { OperatorMethod: null } unary:
                return Constant.Unary(unary.OperatorKind, Evaluate(unary.Operand));
            case IBinaryOperation { OperatorMethod: null } binary:
                return Binary(binary);
            case IInvocationOperation { TargetMethod: { IsStatic: true, ContainingType: { Name: "Math", ContainingNamespace.Name: "System" } } method, Arguments.Length: 2 } call:
                return Constant.MinMax(method.Name, Evaluate(call.Arguments[0].Value), Evaluate(call.Arguments[1].Value));
            default:
                return Constant.Unknown;
        }
    }

    private Constant Binary(IBinaryOperation binary)
    {
        var left = Evaluate(binary.LeftOperand);
        if (binary.OperatorKind == BinaryOperatorKind.ConditionalAnd && left.Flag == false) return left;
        if (binary.OperatorKind == BinaryOperatorKind.ConditionalOr && left.Flag == true) return left;
        var right = Evaluate(binary.RightOperand);

        if (dims.Quotient(binary) is not null
            && left.Number is { } dividend && right.Number is { } divisor && divisor != 0 && dividend % divisor != 0)
        {
            var division = new InexactDivision(binary.Syntax.ToString(), dividend, divisor);
            if (!_inexact.Contains(division)) _inexact.Add(division);
        }

        return Constant.Binary(binary.OperatorKind, left, right);
    }
}
