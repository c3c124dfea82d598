using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace Generated.Generators.Parsing;

/// <summary>A value known at compile time (integer, double, bool, string or null), or unknown.</summary>
internal readonly struct Constant
{
    private readonly bool _isKnown;
    private readonly object? _value;

    private Constant(object? value)
    {
        _isKnown = true;
        _value = value;
    }

    public static Constant Unknown => default;

    public bool IsKnown => _isKnown;

    public bool IsNull => _isKnown && _value is null;

    public long? Number => _value is long number ? number : null;

    public bool? Flag => _value is bool flag ? flag : null;

    private double? Real => _value switch { double real => real, long number => number, _ => null };

    public static Constant Of(object? value) => value switch
    {
        int or long or short or byte or sbyte or ushort or uint => new Constant(Convert.ToInt64(value, CultureInfo.InvariantCulture)),
        float or double => new Constant(Convert.ToDouble(value, CultureInfo.InvariantCulture)),
        bool or string or null => new Constant(value),
        _ => Unknown,
    };

    /// <summary>The default of a type.</summary>
    public static Constant Default(ITypeSymbol type) => type.SpecialType switch
    {
        SpecialType.System_Int32 or SpecialType.System_Int64 => new Constant(0L),
        SpecialType.System_Single or SpecialType.System_Double => new Constant(0.0),
        SpecialType.System_Boolean => new Constant(false),
        _ when type.IsReferenceType || type.OriginalDefinition.SpecialType == SpecialType.System_Nullable_T => new Constant(null),
        _ => Unknown,
    };

    public Constant ConvertTo(ITypeSymbol? type) => type?.SpecialType switch
    {
        SpecialType.System_Double or SpecialType.System_Single => Real is { } real ? new Constant(real) : Unknown,
        SpecialType.System_Int32 or SpecialType.System_Int64 => _value switch
        {
            long => this,
            double real when Math.Abs(real) < long.MaxValue => new Constant((long)real),
            _ => Unknown,
        },
        _ => this,
    };

    public static Constant Unary(UnaryOperatorKind kind, Constant operand) => kind switch
    {
        UnaryOperatorKind.Minus when operand.Number is { } number => new Constant(-number),
        UnaryOperatorKind.Minus when operand.Real is { } real => new Constant(-real),
        UnaryOperatorKind.Plus => operand,
        UnaryOperatorKind.Not when operand.Flag is { } flag => new Constant(!flag),
        _ => Unknown,
    };

    public static Constant Binary(BinaryOperatorKind kind, Constant left, Constant right)
    {
        if (!left.IsKnown || !right.IsKnown) return Unknown;
        if (left.Number is { } a && right.Number is { } b) return Integers(kind, a, b);
        if (left.Real is { } x && right.Real is { } y) return Reals(kind, x, y);
        return kind switch
        {
            BinaryOperatorKind.Equals => new Constant(Equals(left._value, right._value)),
            BinaryOperatorKind.NotEquals => new Constant(!Equals(left._value, right._value)),
            BinaryOperatorKind.And or BinaryOperatorKind.ConditionalAnd when left.Flag is { } p && right.Flag is { } q => new Constant(p && q),
            BinaryOperatorKind.Or or BinaryOperatorKind.ConditionalOr when left.Flag is { } p && right.Flag is { } q => new Constant(p || q),
            // A comparison of a null number is false.
            BinaryOperatorKind.GreaterThan or BinaryOperatorKind.LessThan or BinaryOperatorKind.GreaterThanOrEqual or BinaryOperatorKind.LessThanOrEqual
                when left.IsNull || right.IsNull => new Constant(false),
            _ => Unknown,
        };
    }

    /// <summary><c>Math.Min</c> and <c>Math.Max</c> of integers.</summary>
    public static Constant MinMax(string method, Constant left, Constant right) =>
        left.Number is not { } a || right.Number is not { } b ? Unknown
        : method == "Max" ? new Constant(Math.Max(a, b))
        : method == "Min" ? new Constant(Math.Min(a, b))
        : Unknown;

    private static Constant Integers(BinaryOperatorKind kind, long a, long b)
    {
        try
        {
            return checked(kind switch
            {
                BinaryOperatorKind.Add => new Constant(a + b),
                BinaryOperatorKind.Subtract => new Constant(a - b),
                BinaryOperatorKind.Multiply => new Constant(a * b),
                BinaryOperatorKind.Divide when b != 0 => new Constant(a / b),
                BinaryOperatorKind.Remainder when b != 0 => new Constant(a % b),
                _ => Compare(kind, a.CompareTo(b)),
            });
        }
        catch (OverflowException)
        {
            return Unknown;
        }
    }

    private static Constant Reals(BinaryOperatorKind kind, double x, double y) => kind switch
    {
        BinaryOperatorKind.Add => new Constant(x + y),
        BinaryOperatorKind.Subtract => new Constant(x - y),
        BinaryOperatorKind.Multiply => new Constant(x * y),
        BinaryOperatorKind.Divide => new Constant(x / y),
        _ => Compare(kind, x.CompareTo(y)),
    };

    private static Constant Compare(BinaryOperatorKind kind, int order) => kind switch
    {
        BinaryOperatorKind.Equals => new Constant(order == 0),
        BinaryOperatorKind.NotEquals => new Constant(order != 0),
        BinaryOperatorKind.LessThan => new Constant(order < 0),
        BinaryOperatorKind.LessThanOrEqual => new Constant(order <= 0),
        BinaryOperatorKind.GreaterThan => new Constant(order > 0),
        BinaryOperatorKind.GreaterThanOrEqual => new Constant(order >= 0),
        _ => Unknown,
    };
}
