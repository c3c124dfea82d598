using System.Collections.Immutable;
using Generated.Generators.Graph;
using Microsoft.CodeAnalysis;

namespace Generated.Generators.Parsing;

/// <summary>
/// What a parse gives: the equatable graph, which alone decides the emitted source, and beside it the diagnostics and
/// places, which belong to one version of the text and are never cached.
/// </summary>
/// <typeparam name="TSpec"><see cref="ClassSpec"/> or <see cref="ConfigSpec"/>.</typeparam>
/// <param name="Spec">Null where not even stubs can be emitted.</param>
internal sealed record Parsed<TSpec>(TSpec? Spec, ImmutableArray<Diagnostic> Diagnostics, Places Places)
    where TSpec : class;
