using System.Text.RegularExpressions;
using Generated.Generators.Graph;

namespace Generated.Generators.Analysis.Passes;

/// <summary>Gives every value of a pass a readable name that collides with nothing the pass can see.</summary>
internal sealed class Names
{
    private static readonly HashSet<string> Keywords = new(StringComparer.Ordinal)
    {
        "abstract", "as", "base", "bool", "break", "byte", "case", "catch", "char", "checked", "class", "const", "continue", "decimal",
        "default", "delegate", "do", "double", "else", "enum", "event", "explicit", "extern", "false", "finally", "fixed", "float", "for",
        "foreach", "goto", "if", "implicit", "in", "int", "interface", "internal", "is", "lock", "long", "namespace", "new", "null",
        "object", "operator", "out", "override", "params", "private", "protected", "public", "readonly", "ref", "return", "sbyte", "sealed",
        "short", "sizeof", "stackalloc", "static", "string", "struct", "switch", "this", "throw", "true", "try", "typeof", "uint", "ulong",
        "unchecked", "unsafe", "ushort", "using", "virtual", "void", "volatile", "while", "await", "field", "value", "var", "when", "with",
        "pass", "next", "i",
    };

    private static readonly Regex Identifier = new(@"@?[\p{L}_][\p{L}\p{N}_]*", RegexOptions.CultureInvariant);

    private readonly HashSet<string> _taken = new(Keywords, StringComparer.Ordinal);

    public Names(ClassSpec spec, FlatBody body, string input)
    {
        Input = input;
        _taken.Add(input);
        foreach (var parameter in spec.Parameters) _taken.Add(parameter.Name);
        foreach (var node in body.Nodes)
            if (node.Factor is { } factor)
                foreach (Match word in Identifier.Matches(factor)) _taken.Add(word.Value);
    }

    public string Input { get; }

    /// <summary>A free name for a node's value.</summary>
    public string For(FlatNode node, bool isOutput) => Free(node.Name ?? node.Op switch
    {
        NodeOp.Layer => Camel(Last(node.Layer!.Path)),
        NodeOp.Section => "section",
        NodeOp.Add => isOutput ? "result" : "sum",
        NodeOp.Multiply => "product",
        NodeOp.Scale => "scaled",
        _ => Camel(node.Op.ToString()),
    });

    public string Free(string name)
    {
        if (_taken.Add(name)) return name;
        for (var i = 2; ; i++)
            if (_taken.Add(name + i)) return name + i;
    }

    private static string Last(string path) => path.Substring(path.LastIndexOf('.') + 1);

    /// <summary><c>QKNorm</c> to <c>qkNorm</c>: a leading run of capitals is one word.</summary>
    public static string Camel(string name)
    {
        var capitals = 0;
        while (capitals < name.Length && char.IsUpper(name[capitals])) capitals++;
        if (capitals > 1 && capitals < name.Length) capitals--;
        return name.Substring(0, capitals).ToLowerInvariant() + name.Substring(capitals);
    }
}
