using System.Reflection;
using Generated.Quant.Recipes;
using Generated.Quant.Recipes.Rules;

namespace Quant.Tests.Recipes;

/// <summary>The schema says every property of the recipe's records, so that none is lost in files, hashes or checks.</summary>
public sealed class SchemaTests
{
    public static TheoryData<string> Sections => [.. RecipeSchema.Sections.Select(s => s.Name)];

    [Theory, MemberData(nameof(Sections))]
    public void Section_HasEveryPropertyOfItsRecord(string name)
    {
        var section = RecipeSchema.Section(name);
        var record = section.Create();

        Assert.Equal(Settable(record.GetType()), section.Options.Select(o => (o.Name, o.Type)).Order());
        Assert.All(section.Options, o => Assert.True(o.Allows(o.Get(record)), $"the default of {name}.{o.Name} is not allowed"));
        Assert.Equal(record, section.Get(section.With(new QuantRecipe(), record)));
    }

    [Fact]
    public void Recipe_IsSectionsOptionsAndLists()
    {
        var expected = RecipeSchema.Sections.Select(s => s.Name).Concat(RecipeSchema.Own.Select(o => o.Name))
            .Concat([nameof(QuantRecipe.Name), nameof(QuantRecipe.Keep), nameof(QuantRecipe.Overrides)]);

        Assert.Equal(Settable(typeof(QuantRecipe)).Select(p => p.Name), expected.Order());
    }

    private static IEnumerable<(string Name, Type Type)> Settable(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.CanWrite).Select(p => (p.Name, p.PropertyType)).Order(Comparer);

    private static readonly Comparer<(string Name, Type Type)> Comparer =
        Comparer<(string Name, Type Type)>.Create((a, b) => string.CompareOrdinal(a.Name, b.Name));
}
