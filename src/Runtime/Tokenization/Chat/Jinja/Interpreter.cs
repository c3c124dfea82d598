using System.Text;

namespace Generated.Tokenization.Chat.Jinja;

/// <summary>Runs a parsed template. Steps and output are bounded, since templates come with checkpoints.</summary>
internal sealed class Interpreter
{
    private const int MostSteps = 5_000_000;
    private const int LongestOutput = 1 << 26;
    private const int DeepestCall = 50;

    private readonly Operations _operations;
    private Scope _scope;
    private StringBuilder _output = new();
    private int _steps;
    private int _calls;

    private Interpreter(Dict variables)
    {
        _scope = new Scope(null);
        foreach (var (name, value) in Functions.All)
            _scope.Names[name] = value;
        foreach (var (name, value) in variables)
            _scope.Names[name] = value;
        _scope = new Scope(_scope);
        _operations = new Operations(this);
    }

    /// <summary>Renders a template.</summary>
    public static string Render(IReadOnlyList<Statement> template, Dict variables)
    {
        var interpreter = new Interpreter(variables);
        interpreter.Run(template);
        return interpreter._output.ToString();
    }

    private sealed class Scope(Scope? parent)
    {
        public Scope? Parent { get; } = parent;

        public Dictionary<string, object?> Names { get; } = [];
    }

    private enum Flow
    {
        Next,
        Break,
        Continue,
    }

    public object? Evaluate(Expression expression) => _operations.Evaluate(expression);

    public object? Find(string name)
    {
        for (Scope? scope = _scope; scope is not null; scope = scope.Parent)
        {
            if (scope.Names.TryGetValue(name, out object? value))
                return value;
        }
        return new Undefined($"\"{name}\"");
    }

    public void Step(int line)
    {
        if (++_steps > MostSteps)
            throw new JinjaException("the template takes too many steps.", line);
    }

    private Flow Run(IReadOnlyList<Statement> body)
    {
        foreach (var statement in body)
        {
            Step(statement.Line);
            var flow = Run(statement);
            if (flow != Flow.Next)
                return flow;
        }
        return Flow.Next;
    }

    private Flow Run(Statement statement)
    {
        switch (statement)
        {
            case TextStatement text:
                Write(text.Text, text.Line);
                return Flow.Next;
            case Output output:
                Write(Values.ToText(Evaluate(output.Value)), output.Line);
                return Flow.Next;
            case If condition:
                foreach (var (test, body) in condition.Branches)
                {
                    if (Values.IsTrue(Evaluate(test)))
                        return Run(body);
                }
                return Run(condition.Else);
            case For loop:
                return RunFor(loop);
            case Set set:
                RunSet(set);
                return Flow.Next;
            case Macro macro:
                _scope.Names[macro.Id] = DefineMacro(macro);
                return Flow.Next;
            case Group group:
                return Run(group.Body);
            case Break:
                return Flow.Break;
            default:
                return Flow.Continue;
        }
    }

    private Flow RunFor(For loop)
    {
        object? collection = Evaluate(loop.Items);
        var items = Values.Items(collection)?.ToList()
            ?? throw new JinjaException($"a value of type {Values.TypeName(collection)} cannot be iterated over.", loop.Line);
        var outer = _scope;
        if (loop.Condition is not null)
        {
            items = items.Where(item =>
            {
                _scope = new Scope(outer);
                Bind(loop.Targets, item, loop.Line);
                bool kept = Values.IsTrue(Evaluate(loop.Condition));
                _scope = outer;
                return kept;
            }).ToList();
        }
        for (int i = 0; i < items.Count; i++)
        {
            Step(loop.Line);
            _scope = new Scope(outer);
            _scope.Names["loop"] = LoopVariable(items, i);
            Bind(loop.Targets, items[i], loop.Line);
            var flow = Run(loop.Body);
            if (flow == Flow.Break)
                break;
        }
        _scope = outer;
        return items.Count == 0 ? Run(loop.Else) : Flow.Next;
    }

    private static Dict LoopVariable(List<object?> items, int index) => new()
    {
        ["index"] = (long)index + 1,
        ["index0"] = (long)index,
        ["revindex"] = (long)items.Count - index,
        ["revindex0"] = (long)items.Count - index - 1,
        ["first"] = index == 0,
        ["last"] = index == items.Count - 1,
        ["length"] = (long)items.Count,
        ["previtem"] = index > 0 ? items[index - 1] : new Undefined("\"loop.previtem\""),
        ["nextitem"] = index + 1 < items.Count ? items[index + 1] : new Undefined("\"loop.nextitem\""),
        ["depth"] = 1L,
        ["depth0"] = 0L,
        ["cycle"] = (Callable)(call => call.Positional.Count > 0 ? call.Positional[index % call.Positional.Count] : throw new JinjaException("loop.cycle needs values.", call.Line)),
    };

    private void RunSet(Set set)
    {
        object? value = set.Value is null ? Capture(set.Body) : Evaluate(set.Value);
        if (set.Attribute is null)
        {
            Bind(set.Targets, value, set.Line);
            return;
        }
        if (Find(set.Targets[0]) is not Namespace space)
            throw new JinjaException($"\"{set.Targets[0]}\" is no namespace, so its members cannot be set.", set.Line);
        space.Members[set.Attribute] = value;
    }

    private void Bind(IReadOnlyList<string> targets, object? value, int line)
    {
        if (targets.Count == 1)
        {
            _scope.Names[targets[0]] = value;
            return;
        }
        var parts = Values.Items(value)?.ToList();
        if (parts?.Count != targets.Count)
            throw new JinjaException($"{targets.Count} names cannot be set from {(parts is null ? Values.TypeName(value) : $"{parts.Count} values")}.", line);
        for (int i = 0; i < targets.Count; i++)
            _scope.Names[targets[i]] = parts[i];
    }

    private Callable DefineMacro(Macro macro)
    {
        var defining = _scope;
        return call =>
        {
            if (++_calls > DeepestCall)
                throw new JinjaException($"the macro \"{macro.Id}\" calls itself too deeply.", call.Line);
            var caller = _scope;
            _scope = new Scope(defining);
            for (int i = 0; i < macro.Parameters.Count; i++)
            {
                var (name, fallback) = macro.Parameters[i];
                object? missing = fallback is null ? new Undefined($"\"{name}\"") : null;
                object? given = call.Get(i, name, macro);
                _scope.Names[name] = !ReferenceEquals(given, macro) ? given : fallback is null ? missing : Evaluate(fallback);
            }
            string text = Capture(macro.Body);
            _scope = caller;
            _calls--;
            return text;
        };
    }

    private string Capture(IReadOnlyList<Statement> body)
    {
        var outer = _output;
        _output = new StringBuilder();
        Run(body);
        string text = _output.ToString();
        _output = outer;
        return text;
    }

    private void Write(string text, int line)
    {
        if (_output.Length + text.Length > LongestOutput)
            throw new JinjaException("the template writes too much.", line);
        _output.Append(text);
    }
}
