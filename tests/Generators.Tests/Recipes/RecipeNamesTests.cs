extern alias quant;

using System.Reflection;
using Generated.Generators.Diagnostics;
using Generated.Generators.Parsing;
using Generated.Quant.Recipes.Rules;
using Microsoft.CodeAnalysis;

namespace Generators.Tests.Recipes;

/// <summary>The compiler knows the recipe attributes by name only; these tests hold the names, options and defaults to the types.</summary>
public sealed class RecipeNamesTests
{
    private static readonly Assembly Quant = typeof(quant::Generated.Quant.Recipes.KeepAttribute).Assembly;

    public static TheoryData<string> Sections => [.. RecipeSchema.Sections.Select(s => s.Name)];

    [Theory]
    [InlineData(RecipeNames.Quantize), InlineData(RecipeNames.Keep), InlineData(RecipeNames.Override)]
    public void Name_IsThatOfAnAttribute(string name) => Assert.Equal(typeof(Attribute), Quant.GetType(name)?.BaseType);

    [Theory, MemberData(nameof(Sections))]
    public void Attribute_HasTheSectionsOptionsAndDefaults(string name)
    {
        var section = RecipeSchema.Section(name);
        var type = Quant.GetType(RecipeNames.Attribute(section));

        Assert.NotNull(type);
        var attribute = Activator.CreateInstance(type);
        var defaults = section.Create();
        Assert.Equal(
            section.Options.Select(o => (o.Name, o.Type.Name, RecipeOption.Text(o.Get(defaults)))),
            Own(type).Select(p => (p.Name, p.PropertyType.Name, RecipeOption.Text(p.GetValue(attribute)!))));
    }

    [Fact]
    public void Override_HasEveryOptionOfBothFormats() => Assert.Equal(
        RecipeSchema.Weights.Select(o => (Name: "Weight" + o.Name, o.Type.Name))
            .Concat(RecipeSchema.Activations.Select(o => (Name: "Activation" + o.Name, o.Type.Name))).Append(("Keep", "Boolean")),
        Own(Quant.GetType(RecipeNames.Override)!).Select(p => (p.Name, p.PropertyType.Name)));

    [Fact]
    public void Rules_AreTheCompilersInIdSeverityAndWords()
    {
        var shared = typeof(RecipeRule).GetFields(BindingFlags.Public | BindingFlags.Static).Select(f => f.GetValue(null)).OfType<RecipeRule>().ToList();

        Assert.All(shared, rule =>
        {
            var descriptor = Rules.Of(rule.Id);
            Assert.Equal(rule.Format, descriptor.MessageFormat.ToString());
            Assert.Equal(rule.Severity.ToString(), descriptor.DefaultSeverity.ToString());
        });
        Assert.Equal(Rules.All.Select(r => r.Id).Where(id => string.CompareOrdinal(id, "GEN0703") >= 0).Order(), shared.Select(r => r.Id).Order());
    }

    private static IEnumerable<PropertyInfo> Own(Type type) =>
        type.GetProperties(BindingFlags.Instance | BindingFlags.Public | BindingFlags.DeclaredOnly).Where(p => p.SetMethod is not null);
}
