using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Operations;

namespace Generated.Generators.Parsing;

/// <summary>
/// Turns one wiring into a graph. The language is: local values, calls of layers, of private helpers (inlined) and of
/// <c>Ops</c>, <c>+</c>, <c>*</c>, a number times a flow, taking sections apart, and one return at the end. This part
/// walks statements; everything else is refused at the node where it stands.
/// </summary>
internal sealed partial class BodyParser(
    INamedTypeSymbol type,
    IReadOnlyList<LayerSpec> layers,
    Compilation compilation,
    Reporter report,
    CancellationToken cancellation)
{
    private readonly List<NodeSpec> _nodes = [];
    private readonly HashSet<string> _called = new(StringComparer.Ordinal);
    private readonly Stack<IMethodSymbol> _inlined = new();
    private readonly List<(ILocalSymbol Local, Value Value)> _locals = [];
    private readonly HashSet<ILocalSymbol> _read = new(SymbolEqualityComparer.Default);
    private readonly HashSet<ILocalSymbol> _valueless = new(SymbolEqualityComparer.Default);
    private string _method = "";

    /// <summary>Members of the layers the wiring calls.</summary>
    public IEnumerable<string> Called => _called;

    public BodySpec? Parse(IMethodSymbol method, string? when)
    {
        _method = method.Name;
        Add(NodeOp.Input, []);
        var value = Inline(method, [Value.Of(0)], method.Locations.FirstOrDefault());
        if (value is not { Node: { } output }) return null; // What stands behind an error has not been read.
        foreach (var (local, _) in _locals.Where(l => l.Value.IsDataflow && !_read.Contains(l.Local)))
            report.Report(RuleId.ValueUnused, local.Locations.FirstOrDefault(), local.Name);
        return new BodySpec(_method, when, _nodes.ToEquatableArray(), output);
    }

    /// <summary>The value a method gives for its arguments; null after an error.</summary>
    private Value? Inline(IMethodSymbol method, IReadOnlyList<Value> arguments, Location? where)
    {
        if (_inlined.Contains(method, SymbolEqualityComparer.Default))
        {
            report.Report(RuleId.HelperRecursion, where, method.Name);
            return null;
        }

        var syntax = method.DeclaringSyntaxReferences.FirstOrDefault()?.GetSyntax(cancellation) as MethodDeclarationSyntax;
        if (syntax is null || HasSyntaxErrors(syntax) || compilation.GetSemanticModel(syntax.SyntaxTree).GetOperation(syntax, cancellation) is not IMethodBodyOperation body
            || (body.BlockBody ?? body.ExpressionBody) is not { } block)
        {
            report.Break();
            return null;
        }

        var scope = new Dictionary<ISymbol, Value>(SymbolEqualityComparer.Default);
        foreach (var (parameter, argument) in method.Parameters.Zip(arguments, (p, a) => (p, a))) scope.Add(parameter, argument);
        _inlined.Push(method);
        var result = Block(block, scope);
        _inlined.Pop();
        return result;
    }

    private Value? Block(IBlockOperation block, Dictionary<ISymbol, Value> scope)
    {
        foreach (var statement in block.Operations)
        {
            cancellation.ThrowIfCancellationRequested();
            switch (statement)
            {
                case IReturnOperation { ReturnedValue: { } returned }:
                    return Evaluate(returned, scope);
                case IVariableDeclarationGroupOperation group:
                    foreach (var declarator in group.Declarations.SelectMany(d => d.Declarators)) Declare(declarator, scope);
                    break;
                case IExpressionStatementOperation { Operation: var expression }:
                    ExpressionStatement(expression, scope);
                    break;
                case IEmptyOperation:
                    break;
                default:
                    if (IsError(statement)) report.Break();
                    else report.Report(RuleId.Statement, Keyword(statement.Syntax), Words(statement));
                    return null;
            }
        }

        report.Break(); // A missing return is the C# compiler's to report.
        return null;
    }

    private void Declare(IVariableDeclaratorOperation declarator, Dictionary<ISymbol, Value> scope)
    {
        var initializer = declarator.Initializer?.Value ?? (declarator.Parent as IVariableDeclarationOperation)?.Initializer?.Value;
        if (initializer is null)
        {
            report.Report(RuleId.Statement, declarator.Syntax.GetLocation(), "A declaration without a value");
            scope[declarator.Symbol] = Value.Of(0);
            _valueless.Add(declarator.Symbol);
            return;
        }

        Bind(declarator.Symbol, Evaluate(initializer, scope) ?? Value.Of(0), scope);
    }

    private void Bind(ILocalSymbol local, Value value, Dictionary<ISymbol, Value> scope)
    {
        scope[local] = value;
        _locals.Add((local, value));
        if (value.Node is { } id && _nodes[id] is { Name: null, Op: not NodeOp.Input } node) _nodes[id] = node with { Name = local.Name };
    }

    private void ExpressionStatement(IOperation expression, Dictionary<ISymbol, Value> scope)
    {
        switch (expression)
        {
            case IDeconstructionAssignmentOperation deconstruction:
                Deconstruct(deconstruction, scope);
                break;
            case IAssignmentOperation { Target: ILocalReferenceOperation { Local: var local } } when _valueless.Contains(local):
                break; // The declaration has been refused already.
            case IAssignmentOperation assignment:
                report.Report(RuleId.Reassignment, assignment.Target.Syntax.GetLocation(), assignment.Target.Syntax.ToString());
                break;
            case IIncrementOrDecrementOperation increment:
                report.Report(RuleId.Reassignment, increment.Target.Syntax.GetLocation(), increment.Target.Syntax.ToString());
                break;
            case var _ when IsError(expression):
                report.Break();
                break;
            default:
                report.Report(RuleId.Statement, expression.Syntax.GetLocation(), "An expression whose value is dropped");
                break;
        }
    }

    /// <summary><c>var (q, k, v) = Cut(x);</c></summary>
    private void Deconstruct(IDeconstructionAssignmentOperation deconstruction, Dictionary<ISymbol, Value> scope)
    {
        var target = deconstruction.Target is IDeclarationExpressionOperation declaration ? declaration.Expression : deconstruction.Target;
        if (target is not ITupleOperation tuple || Evaluate(deconstruction.Value, scope) is not { } value) return;
        if (value.Sections is not { } cut)
        {
            report.Report(RuleId.Expression, deconstruction.Value.Syntax.GetLocation(), "Taking this apart");
            return;
        }

        for (var section = 0; section < tuple.Elements.Length; section++)
        {
            var element = tuple.Elements[section];
            var isDeclared = deconstruction.Target is IDeclarationExpressionOperation || element is IDeclarationExpressionOperation;
            if (element is IDeclarationExpressionOperation { Expression: var inner }) element = inner;
            if (element is IDiscardOperation) continue;
            if (!isDeclared || element is not ILocalReferenceOperation { Local: var local })
            {
                report.Report(RuleId.Reassignment, element.Syntax.GetLocation(), element.Syntax.ToString());
                continue;
            }

            var id = Add(NodeOp.Section, [cut], section: section);
            Mark(id, element.Syntax.GetLocation());
            Bind(local, Value.Of(id), scope);
        }
    }

    private int Add(NodeOp op, IEnumerable<int> inputs, string? layer = null, string? factor = null, int section = 0)
    {
        var id = _nodes.Count;
        _nodes.Add(new NodeSpec(id, op, inputs.ToEquatableArray(), layer, Name: null, factor, section));
        return id;
    }

    private void Mark(int node, Location where, params SyntaxNode[] inputs)
    {
        report.Mark(Anchors.Node(_method, node), where);
        for (var i = 0; i < inputs.Length; i++) report.Mark(Anchors.NodeInput(_method, node, i), inputs[i].GetLocation());
    }

    /// <summary>Whether the C# compiler already refuses the code.</summary>
    private static bool IsError(IOperation operation) =>
        operation.DescendantsAndSelf().Any(o => o is IInvalidOperation || o.Type?.TypeKind == TypeKind.Error);

    private static bool HasSyntaxErrors(SyntaxNode syntax) =>
        syntax.ContainsDiagnostics && syntax.GetDiagnostics().Any(d => d.Severity == DiagnosticSeverity.Error);

    private static string Words(IOperation statement) => statement switch
    {
        IConditionalOperation => "An if statement",
        ISwitchOperation => "A switch statement",
        ILoopOperation => "A loop",
        ILocalFunctionOperation => "A local function",
        IThrowOperation => "A throw statement",
        ITryOperation => "A try statement",
        IUsingOperation or IUsingDeclarationOperation => "A using statement",
        ILockOperation => "A lock statement",
        IBlockOperation => "A nested block",
        IBranchOperation or ILabeledOperation => "A jump",
        _ => "This statement",
    };

    /// <summary>A statement's first token, so that the squiggle does not cover a page.</summary>
    private static Location Keyword(SyntaxNode statement) =>
        statement is StatementSyntax ? statement.GetFirstToken().GetLocation() : statement.GetLocation();

    /// <summary>What a name stands for: a node, a fused flow to be taken apart, or a number as code.</summary>
    private readonly record struct Value(int? Node, int? Sections, string? Number)
    {
        public bool IsDataflow => Number is null;

        public static Value Of(int node) => new(node, null, null);

        public static Value Fused(int node) => new(null, node, null);

        public static Value Code(string number) => new(null, null, number);
    }
}
