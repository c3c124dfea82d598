using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Docs.Tests;

/// <summary>The XML documentation of an assembly, as Markdown.</summary>
internal sealed partial class XmlSummaries
{
    private readonly Dictionary<string, XElement> _members;

    private XmlSummaries(string file) =>
        _members = XDocument.Load(file).Descendants("member").ToDictionary(m => m.Attribute("name")!.Value);

    /// <summary>Of an assembly whose XML file lies beside it.</summary>
    public static XmlSummaries Of(Assembly assembly) => new(Path.ChangeExtension(assembly.Location, ".xml"));

    public string Of(Type type) => Summary($"T:{type.FullName}");

    public string Of(PropertyInfo property) => Summary($"P:{property.DeclaringType!.FullName}.{property.Name}");

    public string Of(FieldInfo field) => Summary($"F:{field.DeclaringType!.FullName}.{field.Name}");

    public string Of(MethodInfo method) =>
        Summary($"M:{method.DeclaringType!.FullName}.{method.Name}({string.Join(",", method.GetParameters().Select(p => p.ParameterType.FullName))})");

    /// <summary>What is said of a constructor parameter of a class with a primary constructor.</summary>
    public string Parameter(Type type, string name) => Text(
        _members[$"T:{type.FullName}"].Elements("param").FirstOrDefault(p => p.Attribute("name")?.Value == name)
        ?? throw new InvalidOperationException($"{type.Name} says nothing of its parameter {name}."));

    /// <summary>What is said of the first type parameter.</summary>
    public string TypeParameter(Type type) => Text(_members[$"T:{type.FullName}"].Element("typeparam")!);

    private string Summary(string id) => Text(
        _members.GetValueOrDefault(id)?.Element("summary") ?? throw new InvalidOperationException($"{id} has no summary."));

    private static string Text(XElement element) => Spaces().Replace(string.Concat(element.Nodes().Select(Node)), " ").Trim();

    private static string Node(XNode node) => node switch
    {
        XText text => text.Value,
        XElement { Name.LocalName: "c" } code => $"`{code.Value}`",
        XElement { Name.LocalName: "see" } see => $"`{Shorten(see.Attribute("cref")?.Value ?? see.Attribute("langword")!.Value)}`",
        XElement { Name.LocalName: "paramref" or "typeparamref" } reference => $"`{reference.Attribute("name")!.Value}`",
        XElement other => string.Concat(other.Nodes().Select(Node)),
        _ => "",
    };

    /// <summary><c>T:Generated.KeyAttribute</c> as <c>[Key]</c>, others by their last names.</summary>
    private static string Shorten(string reference)
    {
        var parts = reference[(reference.IndexOf(':') + 1)..].Split('(')[0].Split('.');
        var name = Arity().Replace(parts[^1], "");
        if (reference.StartsWith("T:", StringComparison.Ordinal))
            return name.EndsWith("Attribute", StringComparison.Ordinal) ? $"[{name[..^"Attribute".Length]}]" : name;
        var owner = Arity().Replace(parts[^2], "");
        return owner.EndsWith("Attribute", StringComparison.Ordinal) ? name : $"{owner}.{name}";
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();

    [GeneratedRegex(@"`\d+$")]
    private static partial Regex Arity();
}
