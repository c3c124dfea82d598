using System.ComponentModel;
using System.Reflection;
using System.Text;
using Generated;
using Generated.Generators.Diagnostics;
using Generated.Models;
using Generated.Passes;
using Microsoft.CodeAnalysis;

namespace Docs.Tests.Pages;

/// <summary>The lists of docs/authoring.md, read from the assemblies of the language.</summary>
internal static class LanguageLists
{
    private static readonly XmlSummaries Runtime = XmlSummaries.Of(typeof(Flow).Assembly);
    private static readonly XmlSummaries Models = XmlSummaries.Of(typeof(GatedMlp).Assembly);

    private static IEnumerable<Type> Attributes => typeof(Flow).Assembly.GetExportedTypes()
        .Where(t => t.IsSubclassOf(typeof(Attribute)) && !t.IsAbstract && t.GetCustomAttribute<EditorBrowsableAttribute>()?.State != EditorBrowsableState.Never);

    /// <summary>Attributes of classes, records, properties and wirings.</summary>
    public static string DeclarationAttributes() => Describe(Attributes.Where(t => !t.IsSubclassOf(typeof(LayerAttribute))), options: DeclaredOptions);

    /// <summary>Attributes that make a partial method a layer.</summary>
    public static string LayerAttributes()
    {
        var text = new StringBuilder("Every layer takes:\n");
        Options(text, DeclaredOptions(typeof(LayerAttribute)));
        return text.Append('\n').Append(Describe(Attributes.Where(t => t.IsSubclassOf(typeof(LayerAttribute))), options: DeclaredOptions)).ToString();
    }

    /// <summary>What may be done with a flow.</summary>
    public static string Operators()
    {
        var text = new StringBuilder("| in a wiring | meaning |\n|---|---|\n");
        foreach (var method in typeof(Flow).GetMethods(BindingFlags.Public | BindingFlags.Static).Where(m => m.IsSpecialName))
        {
            var (left, right) = (Operand(method.GetParameters()[0]), Operand(method.GetParameters()[1]));
            text.Append($"| `{left} {(method.Name == "op_Addition" ? "+" : "*")} {right}` | {Runtime.Of(method)} |\n");
        }

        foreach (var type in new[] { typeof(Flow2), typeof(Flow3) })
            text.Append($"| `var ({string.Join(", ", type.GetMethod("Deconstruct")!.GetParameters().Select(p => p.Name))}) = …;` | {Runtime.Of(type)} |\n");
        foreach (var method in typeof(Ops).GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly))
            text.Append($"| `{method.Name}({string.Join(", ", method.GetParameters().Select(p => p.Name))})` | {Runtime.Of(method)} |\n");
        return text.ToString();

        static string Operand(ParameterInfo parameter) => parameter.Name == "flow" ? "x" : parameter.Name!;
    }

    /// <summary>Parts that come with Generated.Models.</summary>
    public static string Parts()
    {
        var text = new StringBuilder("| part | widths | what it is |\n|---|---|---|\n");
        foreach (var type in typeof(GatedMlp).Assembly.GetExportedTypes().Where(t => t.GetCustomAttribute<PartAttribute>() is not null))
        {
            var widths = type.GetConstructors()[0].GetParameters().Select(p => $"`{p.Name}`: {LowerFirst(Models.Parameter(type, p.Name!))}");
            text.Append($"| `{type.FullName}` | {string.Join("<br>", widths)} | {Models.Of(type)} |\n");
        }

        return text.ToString();
    }

    /// <summary>Input schemes of both packages.</summary>
    public static string InputSchemes()
    {
        var text = new StringBuilder("| scheme | what it does |\n|---|---|\n");
        foreach (var (assembly, summaries) in new[] { (typeof(Flow).Assembly, Runtime), (typeof(GatedMlp).Assembly, Models) })
            foreach (var type in assembly.GetExportedTypes().Where(t => t.IsAssignableTo(typeof(IInputScheme)) && !t.IsInterface))
                text.Append($"| `{type.FullName}` | {summaries.Of(type)} |\n");
        return text.ToString();
    }

    /// <summary>Every rule of the compiler, with its page.</summary>
    public static string Diagnostics()
    {
        var text = new StringBuilder("| rule | severity | what it is about |\n|---|---|---|\n");
        foreach (var rule in Rules.All.OrderBy(r => r.Id, StringComparer.Ordinal))
            text.Append($"| [{rule.Id}](rules/{rule.Id}.md) | {(rule.DefaultSeverity == DiagnosticSeverity.Info ? "information" : rule.DefaultSeverity.ToString().ToLowerInvariant())} | {rule.Title} |\n");
        return text.ToString();
    }

    private static string Describe(IEnumerable<Type> types, Func<Type, IReadOnlyList<PropertyInfo>> options)
    {
        var text = new StringBuilder();
        foreach (var type in types.OrderBy(t => t.MetadataToken))
        {
            var constructor = type.GetConstructors().Single();
            var name = type.Name.Split('`')[0][..^"Attribute".Length] + (type.IsGenericType ? "<T>" : "");
            var arguments = string.Join(", ", constructor.GetParameters().Select(p => p.IsDefined(typeof(ParamArrayAttribute)) ? $"{p.Name}…" : p.Name));
            text.Append($"#### `[{name}{(arguments.Length == 0 ? "" : $"({arguments})")}]`\n{Runtime.Of(type)}\n");
            if (type.IsGenericType) text.Append($"- `T`: {LowerFirst(Runtime.TypeParameter(type))}\n");
            foreach (var parameter in constructor.GetParameters())
                text.Append($"- `{parameter.Name}`: {LowerFirst(Runtime.Parameter(type, parameter.Name!))}\n");
            Options(text, options(type));
            text.Append('\n');
        }

        return text.ToString();
    }

    private static void Options(StringBuilder text, IReadOnlyList<PropertyInfo> options)
    {
        foreach (var option in options)
        {
            var values = option.PropertyType.IsEnum
                ? $" ({string.Join("; ", option.PropertyType.GetFields(BindingFlags.Public | BindingFlags.Static).Select(f => $"`{f.Name}`: {LowerFirst(Runtime.Of(f)).TrimEnd('.')}"))})"
                : "";
            text.Append($"- `{option.Name} =` {LowerFirst(Runtime.Of(option)).TrimEnd('.')}{values}.\n");
        }
    }

    /// <summary>What may be set by name, in the order of the source.</summary>
    private static IReadOnlyList<PropertyInfo> DeclaredOptions(Type type) =>
        [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly).Where(p => p.CanWrite).OrderBy(p => p.MetadataToken)];

    /// <summary>A sentence as the rest of one; names keep their capitals.</summary>
    private static string LowerFirst(string text) =>
        text.Length > 1 && char.IsUpper(text[0]) && !text[1..].TakeWhile(char.IsLetter).Any(char.IsUpper) && !text.StartsWith("Paddle", StringComparison.Ordinal) && !text.StartsWith("Hugging", StringComparison.Ordinal)
            ? char.ToLowerInvariant(text[0]) + text[1..]
            : text;
}
