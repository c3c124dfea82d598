using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Parsing;

/// <summary>Layers that are classes of the language themselves: used parts and repeated blocks.</summary>
internal sealed partial class LayerParser
{
    private UseSpec? Use(AttributeReader a, Header h)
    {
        if (Nested(a, KnownNames.Part, "Part") is not { } part) return null;
        var widths = Widths(a, 1);
        var wanted = part.Parameters.Where(p => !p.IsConfig).Select(p => p.Name).ToList();
        if (!part.IsBroken && wanted.Count != widths.Count)
        {
            var words = wanted.Count switch
            {
                0 => "no widths",
                1 => $"one width ({wanted[0]})",
                _ => $"{wanted.Count} widths ({string.Join(", ", wanted)})",
            };
            report.Report(RuleId.WidthCount, a.Where, part.Name, words, widths.Count);
        }

        return new UseSpec
        {
            Member = h.Member,
            Modifiers = h.Modifiers,
            Arguments = h.Arguments,
            Part = part,
            Widths = widths,
            Name = names.Check(a.Text(0), a.WhereArgument(0), isEmptyFine: true) ?? "",
        };
    }

    private RepeatSpec? Repeat(AttributeReader a, Header h)
    {
        if (Nested(a, KnownNames.Block, "Block") is not { } block) return null;
        return new RepeatSpec
        {
            Member = h.Member,
            Modifiers = h.Modifiers,
            Arguments = h.Arguments,
            Block = block,
            Count = Width(a, 0, "a repeat count"),
        };
    }

    /// <summary>The declaration of the attribute's type argument, checked to be of the right kind and to take this class's config.</summary>
    private ClassSpec? Nested(AttributeReader a, string declaredBy, string word)
    {
        if (a.TypeArgument is not INamedTypeSymbol { TypeKind: not TypeKind.Error } type)
        {
            report.Break();
            return null;
        }

        if (type.Attribute(declaredBy) is null)
        {
            report.Report(RuleId.NotDeclared, a.WhereType, type.Name, word);
            return null;
        }

        switch (classes.Class(type))
        {
            case { Outcome: ClassOutcome.Cyclic }:
                report.Report(RuleId.Recursion, a.WhereType, type.Name);
                return null;
            case { Outcome: ClassOutcome.Unreadable }:
                report.Report(RuleId.UnreadableDeclaration, a.WhereType, type.Name, type.ContainingAssembly.Name);
                return null;
            case { Spec: null }:
                report.Break(); // Reported at its own declaration.
                return null;
            case { Spec: { } spec }:
                if (spec.IsBroken) report.Break();
                if (spec.Config is { } theirs && theirs.Type != scope.Config?.Type)
                    report.Report(RuleId.ConfigMismatch, a.WhereType, type.Name, theirs.Name, scope.ClassName, scope.Config?.Name ?? "no config");
                return spec;
        }
    }
}
