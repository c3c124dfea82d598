namespace Generated.Tokenization.Chat.Jinja;

/// <summary>The tests of "is".</summary>
internal static class Tests
{
    public static bool Holds(string name, object? value, CallArguments call) => name switch
    {
        "defined" => value is not Undefined,
        "undefined" => value is Undefined,
        "none" => value is null,
        "true" => value is true,
        "false" => value is false,
        "boolean" => value is bool,
        "string" => value is string,
        "integer" => value is long,
        "float" => value is double,
        "number" => value is bool or long or double,
        "mapping" => value is Dict,
        "sequence" => value is string or List<object?> or Dict,
        "iterable" => value is string or List<object?> or Dict or Undefined,
        "callable" => value is Callable,
        "odd" => value is long n && n % 2 != 0,
        "even" => value is long n && n % 2 == 0,
        "divisibleby" => value is long n && call.Require(0, "num") is long divisor && divisor != 0 && n % divisor == 0,
        "upper" => value is string s && s.Any(char.IsLetter) && s == s.ToUpperInvariant(),
        "lower" => value is string s && s.Any(char.IsLetter) && s == s.ToLowerInvariant(),
        "in" => Operations.Contains(call.Require(0, "seq"), value, call.Line),
        "equalto" or "eq" or "==" => Values.AreEqual(value, call.Require(0, "other")),
        "ne" or "!=" => !Values.AreEqual(value, call.Require(0, "other")),
        "gt" or "greaterthan" => Operations.Compare(">", value, call.Require(0, "other"), call.Line),
        "ge" => Operations.Compare(">=", value, call.Require(0, "other"), call.Line),
        "lt" or "lessthan" => Operations.Compare("<", value, call.Require(0, "other"), call.Line),
        "le" => Operations.Compare("<=", value, call.Require(0, "other"), call.Line),
        "sameas" => ReferenceEquals(value, call.Require(0, "other")) || (value is bool or long && Values.AreEqual(value, call.Require(0, "other"))),
        _ => throw new JinjaException($"the test \"{name}\" is not supported.", call.Line),
    };
}
