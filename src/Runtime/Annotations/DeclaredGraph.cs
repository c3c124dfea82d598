using System.ComponentModel;

namespace Generated;

/// <summary>
/// Carries a declaration's graph into the compiled assembly, where the compiler of another project reads it. Written by
/// the compiler on every block, part, model and config; not meant to be written by hand.
/// </summary>
/// <param name="text">The graph in the compiler's own versioned text.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false), EditorBrowsable(EditorBrowsableState.Never)]
public sealed class DeclaredGraphAttribute(string text) : Attribute
{
    /// <summary>The graph in the compiler's own versioned text.</summary>
    public string Text { get; } = text;
}
