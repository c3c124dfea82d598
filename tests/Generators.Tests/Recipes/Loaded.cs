extern alias quant;

using System.Reflection;
using System.Runtime.Loader;
using Loading = quant::Generated.Quant.Recipes;

namespace Generators.Tests.Recipes;

/// <summary>Declared recipes as a program has them: compiled, loaded, read.</summary>
internal static class Loaded
{
    /// <summary>The value of a recipe class's property.</summary>
    public static Loading.QuantRecipe Recipe(Compiled compiled, string name)
    {
        using var image = new MemoryStream();
        var emitted = compiled.Output.Emit(image);
        Assert.True(emitted.Success, string.Join("\n", emitted.Diagnostics));
        image.Position = 0;
        var context = new AssemblyLoadContext(name, isCollectible: true);
        try
        {
            var type = context.LoadFromStream(image).GetType(name);
            Assert.NotNull(type);
            return (Loading.QuantRecipe)type.GetProperty("Recipe", BindingFlags.Public | BindingFlags.Static)!.GetValue(null)!;
        }
        finally
        {
            context.Unload();
        }
    }
}
