using System.Collections.Immutable;
using Generated.Generators.Diagnostics;
using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Parsing;

/// <summary>
/// Collects what is wrong with one declaration, and where its parts lie. Locations are real source locations: only those
/// obey <c>#pragma warning disable</c>.
/// </summary>
internal sealed class Reporter
{
    private readonly ImmutableArray<Diagnostic>.Builder _diagnostics = ImmutableArray.CreateBuilder<Diagnostic>();
    private readonly Dictionary<string, Location> _places = new(StringComparer.Ordinal);

    /// <summary>Whether the declaration cannot be compiled.</summary>
    public bool IsBroken { get; private set; }

    public ImmutableArray<Diagnostic> Diagnostics => _diagnostics.ToImmutable();

    public Places Places => new(_places);

    /// <summary>Remembers where an anchor lies.</summary>
    public void Mark(string anchor, Location? location)
    {
        if (location is not null) _places[anchor] = location;
    }

    public void Report(string ruleId, Location? location, params object[] arguments) =>
        ReportWithNearest(ruleId, location, nearest: null, arguments);

    /// <param name="nearest">What was probably meant; code fixes read it.</param>
    public void ReportWithNearest(string ruleId, Location? location, string? nearest, params object[] arguments)
    {
        var rule = Rules.Of(ruleId);
        var properties = nearest is null
            ? ImmutableDictionary<string, string?>.Empty
            : ImmutableDictionary<string, string?>.Empty.Add(FixProperties.Nearest, nearest);
        _diagnostics.Add(Diagnostic.Create(rule, location ?? Location.None, properties, arguments));
        IsBroken |= rule.DefaultSeverity == DiagnosticSeverity.Error;
    }

    /// <summary>Reports the author's members that emitted code needs the names of; gives those names.</summary>
    public IReadOnlyList<string> Taken(INamedTypeSymbol type, Func<ISymbol, bool> isTaken)
    {
        var names = new List<string>();
        foreach (var member in type.GetMembers())
        {
            if (member.IsImplicitlyDeclared || !member.CanBeReferencedByName || !isTaken(member)) continue;
            Report(RuleId.NameTaken, member.Locations.FirstOrDefault(), member.Name, type.Name);
            names.Add(member.Name);
        }

        return names;
    }

    /// <summary>Gives up on the declaration without a word, because the C# compiler already reports the cause.</summary>
    public void Break() => IsBroken = true;
}

/// <summary>Where the parts of a declaration lie.</summary>
internal sealed class Places(IReadOnlyDictionary<string, Location> places)
{
    /// <summary>The place of an anchor, or of the nearest part that contains it.</summary>
    public Location Find(string anchor)
    {
        for (var key = anchor; ; key = key.Substring(0, key.LastIndexOf(':')))
        {
            if (places.TryGetValue(key, out var location)) return location;
            if (key.LastIndexOf(':') < 0) break;
        }

        return places.TryGetValue(Anchors.Class, out var whole) ? whole : Location.None;
    }

    public Diagnostic ToDiagnostic(Issue issue) => Diagnostic.Create(
        Rules.Of(issue.RuleId),
        Find(issue.Anchor),
        issue.Arguments.Select(argument => (object)argument).ToArray());
}

/// <summary>What diagnostics tell code fixes.</summary>
internal static class FixProperties
{
    public const string Nearest = "nearest";
}
