using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Operations;

namespace Generated.Generators.Parsing;

/// <summary>Expressions of a wiring.</summary>
internal sealed partial class BodyParser
{
    private static readonly Dictionary<string, NodeOp> Operations = new(StringComparer.Ordinal)
    {
        ["Silu"] = NodeOp.Silu,
        ["Gelu"] = NodeOp.Gelu,
        ["GeluTanh"] = NodeOp.GeluTanh,
        ["Relu"] = NodeOp.Relu,
    };

    private Value? Evaluate(IOperation operation, Dictionary<ISymbol, Value> scope)
    {
        switch (operation)
        {
            case IConversionOperation { OperatorMethod: null, Operand: var operand } when operand.Type.Is(KnownNames.Flow):
                return Evaluate(operand, scope);
            case ILocalReferenceOperation { Local: var local } when scope.TryGetValue(local, out var value):
                _read.Add(local);
                return value;
            case IParameterReferenceOperation { Parameter: var parameter } when scope.TryGetValue(parameter, out var value):
                return value;
            case IInvocationOperation call:
                return IsNumber(call.Type) ? Number(call, scope) : Call(call, scope);
            case IBinaryOperation binary when binary.OperatorMethod?.ContainingType.Is(KnownNames.Flow) == true:
                return Binary(binary, scope);
            case var _ when IsNumber(operation.Type):
                return Number(operation, scope);
            case var _ when IsError(operation):
                report.Break();
                return null;
            case IFieldReferenceOperation or IPropertyReferenceOperation or IParameterReferenceOperation or ILocalReferenceOperation:
                report.Report(RuleId.Capture, operation.Syntax.GetLocation(), operation.Syntax.ToString());
                return null;
            default:
                report.Report(RuleId.Expression, operation.Syntax.GetLocation(), ExpressionWords(operation));
                return null;
        }
    }

    private Value? Call(IInvocationOperation call, Dictionary<ISymbol, Value> scope)
    {
        var method = call.TargetMethod;
        var where = Callee(call);
        var isOwn = SymbolEqualityComparer.Default.Equals(method.ContainingType, type)
            && method is { IsStatic: false, MethodKind: MethodKind.Ordinary } && call.Instance is null or IInstanceReferenceOperation;
        var isOperation = method.ContainingType.Is(KnownNames.Ops) && Operations.ContainsKey(method.Name);
        var isLayer = isOwn && method.IsPartialDefinition;
        var isHelper = method.MethodKind == MethodKind.Ordinary && !method.IsPartialDefinition && !method.IsAsync && !method.IsGenericMethod
            && SymbolEqualityComparer.Default.Equals(method.ContainingType, type) && (isOwn || method.IsStatic)
            && method.Parameters.All(p => p.RefKind == RefKind.None);
        if (!isOperation && !isLayer && !isHelper)
        {
            if (IsError(call)) report.Break();
            else report.Report(RuleId.Call, where, method.Name);
            return null;
        }

        // Evaluated in the order they are written, handed over in the order of the parameters.
        var arguments = new Value?[method.Parameters.Length];
        foreach (var argument in call.Arguments)
            if (argument.Parameter is { } parameter) arguments[parameter.Ordinal] = Evaluate(argument.Value, scope);
        if (arguments.Any(a => a is null)) return null;
        var values = arguments.Select(a => a!.Value).ToList();
        if (isHelper) return Inline(method, values, where);

        var inputs = values.Select(v => v.Node).ToList();
        if (inputs.Any(i => i is null))
        {
            report.Report(RuleId.Expression, where, "A fused flow that was not taken apart");
            return null;
        }

        var id = isOperation
            ? Add(Operations[method.Name], inputs.Select(i => i!.Value))
            : Layer(method.Name, inputs.Select(i => i!.Value), where);
        var places = call.Arguments.OrderBy(a => a.Parameter?.Ordinal).Select(a => a.Value.Syntax).ToArray();
        Mark(id, where, places);
        return method.ReturnType.Is(KnownNames.Flow) ? Value.Of(id) : Value.Fused(id);
    }

    private int Layer(string member, IEnumerable<int> inputs, Location where)
    {
        var spec = layers.FirstOrDefault(l => l.Member == member);
        // Rotations and cuts hold nothing of their own, so one declaration may serve queries and keys.
        var isShareable = spec is RotarySpec or LogNSpec or SectionsSpec or null;
        if (!_called.Add(member) && !isShareable) report.Report(RuleId.LayerUsedTwice, where, member, _method);
        return Add(NodeOp.Layer, inputs, layer: member);
    }

    private Value? Binary(IBinaryOperation binary, Dictionary<ISymbol, Value> scope)
    {
        if (Evaluate(binary.LeftOperand, scope) is not { } left || Evaluate(binary.RightOperand, scope) is not { } right) return null;
        var token = binary.Syntax is BinaryExpressionSyntax syntax ? syntax.OperatorToken.GetLocation() : binary.Syntax.GetLocation();
        int id;
        if (left.Number is not null || right.Number is not null)
            id = Add(NodeOp.Scale, [left.Node ?? right.Node ?? 0], factor: left.Number ?? right.Number);
        else if (left.Node is { } a && right.Node is { } b)
            id = Add(binary.OperatorKind == BinaryOperatorKind.Add ? NodeOp.Add : NodeOp.Multiply, [a, b]);
        else
            return null;
        Mark(id, token, binary.LeftOperand.Syntax, binary.RightOperand.Syntax);
        return Value.Of(id);
    }

    private Value? Number(IOperation operation, Dictionary<ISymbol, Value> scope)
    {
        var writer = new FactorWriter(type, symbol =>
        {
            if (symbol is ILocalSymbol local) _read.Add(local);
            return scope.TryGetValue(symbol, out var value) ? value.Number : null;
        });
        if (writer.Write(operation) is { } code) return Value.Code(code);
        if (IsError(operation)) report.Break();
        else report.Report(RuleId.Factor, operation.Syntax.GetLocation(), operation.Syntax.ToString());
        return null;
    }

    private static bool IsNumber(ITypeSymbol? type) => type?.SpecialType is
        SpecialType.System_Int32 or SpecialType.System_Int64 or SpecialType.System_Single or SpecialType.System_Double;

    /// <summary>The name that is called.</summary>
    private static Location Callee(IInvocationOperation call) => call.Syntax switch
    {
        InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax member } => member.Name.GetLocation(),
        InvocationExpressionSyntax invocation => invocation.Expression.GetLocation(),
        var other => other.GetLocation(),
    };

    private static string ExpressionWords(IOperation operation) => operation switch
    {
        IConditionalOperation => "A conditional expression",
        ISwitchExpressionOperation => "A switch expression",
        IAssignmentOperation => "An assignment inside an expression",
        IObjectCreationOperation => "'new'",
        IDefaultValueOperation => "'default'",
        IDelegateCreationOperation or IAnonymousFunctionOperation => "A lambda",
        IThrowOperation => "'throw'",
        _ => $"'{operation.Syntax}'",
    };
}
