using System.Reflection;
using Generated.Generators.Graph;

namespace Generators.Tests.Incremental;

/// <summary>The graph holds nothing of the compiler and compares by value, type by type.</summary>
public sealed class ModelShapeTests
{
    private const BindingFlags Fields = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;

    /// <summary>Every type a graph can reach, found from its fields.</summary>
    private static IReadOnlyList<Type> Reachable { get; } = Walk(typeof(ClassSpec), typeof(ConfigSpec), typeof(Issue));

    [Fact]
    public void Graph_ReachesEveryLayerKind() =>
        Assert.Superset(
            new HashSet<Type> { typeof(LinearSpec), typeof(UseSpec), typeof(RepeatSpec), typeof(PresetSpec), typeof(NodeSpec), typeof(Dim) },
            Reachable.ToHashSet());

    [Fact]
    public void Graph_HoldsNoCompilerType() =>
        Assert.DoesNotContain(Reachable, type => type.FullName?.StartsWith("Microsoft.CodeAnalysis", StringComparison.Ordinal) == true);

    [Fact]
    public void Graph_ComparesByValue() =>
        Assert.All(Reachable, type => Assert.True(
            type.IsEnum || typeof(IEquatable<>).MakeGenericType(type).IsAssignableFrom(type),
            $"{type} is not IEquatable<{type.Name}>"));

    [Fact]
    public void Graph_IsImmutable() =>
        Assert.All(
            Reachable.Where(type => type.Namespace == typeof(ClassSpec).Namespace && !type.IsEnum).SelectMany(type => type.GetFields(Fields)),
            field => Assert.True(field.IsInitOnly, $"{field.DeclaringType}.{field.Name} can be written"));

    private static List<Type> Walk(params Type[] roots)
    {
        var found = new List<Type>();
        var open = new Stack<Type>(roots);
        while (open.TryPop(out var type))
        {
            if (Nullable.GetUnderlyingType(type) is { } underlying) type = underlying;
            if (found.Contains(type)) continue;
            if (type.IsArray) { open.Push(type.GetElementType()!); continue; }
            // Immutable arrays are compared by the EquatableArray around them.
            if (!type.IsGenericType || type.Namespace != "System.Collections.Immutable") found.Add(type);
            if (type.Namespace == "System") continue;
            foreach (var field in type.GetFields(Fields)) open.Push(field.FieldType);
            foreach (var derived in type.Assembly.GetTypes().Where(t => t != type && type.IsAssignableFrom(t) && !type.IsInterface)) open.Push(derived);
        }

        return found;
    }
}
