using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Generated.Generators.Parsing;

/// <summary>Reads the arguments of one attribute together with the places where they are written.</summary>
/// <param name="compilation">Given where named arguments are wanted even if the positional ones make no sense to the compiler yet.</param>
internal sealed class AttributeReader(AttributeData data, CancellationToken cancellation, Compilation? compilation = null)
{
    private readonly AttributeSyntax? _syntax = data.ApplicationSyntaxReference?.GetSyntax(cancellation) as AttributeSyntax;

    public INamedTypeSymbol? Class => data.AttributeClass;

    /// <summary>The attribute's type argument, for <c>[Use&lt;T&gt;]</c>.</summary>
    public ITypeSymbol? TypeArgument => Class is { TypeArguments.Length: 1 } generic ? generic.TypeArguments[0] : null;

    /// <summary>Whether the compiler could not make sense of the arguments; it has said so itself.</summary>
    public bool HasErrors =>
        data.AttributeConstructor is null
        || data.ConstructorArguments.Any(IsError)
        || data.NamedArguments.Any(argument => IsError(argument.Value));

    /// <summary>Whether the compiler could not make sense of a named argument.</summary>
    public bool HasNamedErrors => data.NamedArguments.Any(argument => IsError(argument.Value));

    public Location? Where => _syntax?.Name.GetLocation();

    /// <summary>The type argument's place.</summary>
    public Location? WhereType => _syntax?.Name switch
    {
        GenericNameSyntax generic => generic.TypeArgumentList.Arguments[0].GetLocation(),
        QualifiedNameSyntax { Right: GenericNameSyntax generic } => generic.TypeArgumentList.Arguments[0].GetLocation(),
        _ => Where,
    };

    public string Text(int index) => data.ConstructorArguments.Length > index && data.ConstructorArguments[index].Value is string text ? text : "";

    /// <summary>The strings of an array parameter.</summary>
    public ImmutableArray<string> Texts(int index) => data.ConstructorArguments.Length > index
        ? Strings(data.ConstructorArguments[index])
        : ImmutableArray<string>.Empty;

    /// <summary>
    /// The n-th text; for a constant that exists only once this compilation is generated, how it is written: <c>Llama.Paths.Head</c>, or
    /// the last name in <c>nameof(Llama.Head)</c>. Empty where it is neither.
    /// </summary>
    public string TextOrName(int index)
    {
        if (data.ConstructorArguments.Length > index && data.ConstructorArguments[index] is { Kind: not TypedConstantKind.Error, Value: string text }) return text;
        return Arguments.ElementAtOrDefault(index) is { } argument ? Written(argument) : "";
    }

    /// <summary>The texts of a parameter array, read as <see cref="TextOrName"/> does.</summary>
    public ImmutableArray<string> TextsOrNames(int index) =>
        data.AttributeConstructor is not null && !data.ConstructorArguments.Any(IsError) ? Texts(index) : Arguments.Select(Written).ToImmutableArray();

    private IEnumerable<ExpressionSyntax> Arguments =>
        (_syntax?.ArgumentList?.Arguments ?? default).Where(a => a.NameEquals is null).Select(a => a.Expression);

    private static string Written(ExpressionSyntax expression) => expression switch
    {
        LiteralExpressionSyntax { Token.Value: string text } => text,
        InvocationExpressionSyntax { Expression: IdentifierNameSyntax { Identifier.ValueText: "nameof" }, ArgumentList.Arguments: [var argument] } => LastName(argument.Expression),
        MemberAccessExpressionSyntax { Expression: MemberAccessExpressionSyntax { Name.Identifier.ValueText: "Paths", Expression: var owner } } access =>
            $"{LastName(owner)}.Paths.{LastName(access)}",
        _ => "",
    };

    private static string LastName(ExpressionSyntax expression) => expression switch
    {
        MemberAccessExpressionSyntax access => access.Name.Identifier.ValueText,
        SimpleNameSyntax name => name.Identifier.ValueText,
        _ => "",
    };

    /// <summary>A number, flag or member of an enumeration (as its number); null where it is not given.</summary>
    public object? NamedValue(string name)
    {
        if (Named(name) is { } value) return value.Kind is TypedConstantKind.Primitive or TypedConstantKind.Enum ? value.Value : null;
        // Without its constructor the compiler binds no argument of an attribute.
        if (data.AttributeConstructor is not null || compilation is null || Argument(name) is not { } expression) return null;
        return compilation.GetSemanticModel(expression.SyntaxTree).GetConstantValue(expression, cancellation) is { HasValue: true, Value: var constant } ? constant : null;
    }

    public string? NamedText(string name) => Named(name)?.Value as string;

    /// <summary>A positional argument's value; null where there is none.</summary>
    public object? Value(int index) => data.ConstructorArguments.Length > index && data.ConstructorArguments[index].Kind == TypedConstantKind.Primitive
        ? data.ConstructorArguments[index].Value
        : null;

    public bool NamedFlag(string name, bool otherwise = false) => Named(name)?.Value is bool flag ? flag : otherwise;

    public int NamedNumber(string name) => Named(name)?.Value is int number ? number : 0;

    public ImmutableArray<string> NamedTexts(string name) => Named(name) is { } value ? Strings(value) : ImmutableArray<string>.Empty;

    public ImmutableArray<int> NamedNumbers(string name) => Named(name) is { Kind: TypedConstantKind.Array } value && !value.IsNull
        ? value.Values.Select(v => v.Value is int number ? number : 0).ToImmutableArray()
        : ImmutableArray<int>.Empty;

    /// <summary>How many arguments are written without <c>Name =</c>.</summary>
    public int Positional => _syntax?.ArgumentList?.Arguments.Count(a => a.NameEquals is null) ?? 0;

    /// <summary>The place of the n-th positional argument.</summary>
    public Location? WhereArgument(int index)
    {
        if (_syntax?.ArgumentList is not { } list || data.AttributeConstructor is not { } constructor) return Where;
        var named = index < constructor.Parameters.Length ? constructor.Parameters[index].Name : null;
        var position = 0;
        foreach (var argument in list.Arguments)
        {
            if (argument.NameEquals is not null) continue;
            if (argument.NameColon is { } colon ? colon.Name.Identifier.ValueText == named : position == index)
                return argument.Expression.GetLocation();
            position++;
        }

        return Where;
    }

    /// <summary>The place of a named argument's value.</summary>
    public Location? WhereNamed(string name) => Argument(name)?.GetLocation() ?? Where;

    private ExpressionSyntax? Argument(string name) =>
        _syntax?.ArgumentList?.Arguments.FirstOrDefault(a => a.NameEquals?.Name.Identifier.ValueText == name)?.Expression;

    private TypedConstant? Named(string name)
    {
        foreach (var argument in data.NamedArguments)
            if (argument.Key == name) return argument.Value;
        return null;
    }

    private static ImmutableArray<string> Strings(TypedConstant value) => value is { Kind: TypedConstantKind.Array, IsNull: false }
        ? value.Values.Select(v => v.Value as string ?? "").ToImmutableArray()
        : ImmutableArray<string>.Empty;

    private static bool IsError(TypedConstant value) =>
        value.Kind == TypedConstantKind.Error
        || (value is { Kind: TypedConstantKind.Array, IsNull: false } && value.Values.Any(IsError));
}
