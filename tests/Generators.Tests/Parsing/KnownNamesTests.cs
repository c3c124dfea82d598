using System.Reflection;
using Generated;
using Generated.Generators.Parsing;
using Generated.Passes;

namespace Generators.Tests.Parsing;

/// <summary>The compiler knows the runtime's types by name only; these tests are what holds the names to the types.</summary>
public sealed class KnownNamesTests
{
    public static TheoryData<string> Names =>
        [.. typeof(KnownNames).GetFields().Where(f => f.IsLiteral && f.Name != nameof(KnownNames.Namespace) && f.Name is not (nameof(KnownNames.DefaultInputs) or nameof(KnownNames.InputScheme))).Select(f => (string)f.GetRawConstantValue()!)];

    [Theory, MemberData(nameof(Names))]
    public void Name_IsThatOfARuntimeType(string name) => Assert.NotNull(typeof(Flow).Assembly.GetType(name));

    [Fact]
    public void Inputs_AreTheRuntimes()
    {
        Assert.Equal(KnownNames.DefaultInputs, "global::" + typeof(CausalInputs).FullName);
        Assert.Equal(KnownNames.InputScheme, "global::" + typeof(IInputScheme).FullName);
    }

    [Fact]
    public void EveryLayerAttribute_IsKnown()
    {
        var declared = typeof(LayerAttribute).Assembly.GetTypes().Where(t => t.BaseType == typeof(LayerAttribute)).Select(t => t.FullName);

        Assert.All(declared, name => Assert.Contains(name!, Names.Cast<object[]>().Select(row => (string)row[0])));
    }

    /// <summary>A setting of an attribute that the parser forgets would be a declaration that silently means less.</summary>
    [Fact]
    public void EverySettingOfALayer_IsRead()
    {
        var source = string.Concat(Directory.EnumerateFiles(Path.Combine(Diagnostics.RulePage.RepositoryRoot(), "src", "Generators", "Parsing"), "*.cs").Select(File.ReadAllText));
        var settings = typeof(LayerAttribute).Assembly.GetTypes()
            .Where(t => t.IsSubclassOf(typeof(Attribute)) && t.Namespace == "Generated" && t != typeof(DeclaredGraphAttribute))
            .SelectMany(t => t.GetProperties(BindingFlags.Instance | BindingFlags.Public | BindingFlags.DeclaredOnly))
            .Where(p => p.SetMethod is not null)
            .Select(p => p.Name)
            .Distinct();

        Assert.All(settings, name => Assert.Contains($"\"{name}\"", source));
    }
}
