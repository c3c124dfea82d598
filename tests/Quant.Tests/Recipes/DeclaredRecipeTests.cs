using Generated.Quant.Recipes;
using Generated.Quant.Recipes.Files;

namespace Quant.Tests.Recipes;

/// <summary>Recipes that this project's compiler checked are those that loading takes.</summary>
public sealed class DeclaredRecipeTests
{
    [Fact]
    public void Declared_IsTheRecipeOfItsAttributes()
    {
        Assert.Equal(
            new QuantRecipe
            {
                Name = "LlamaW8A8",
                Smooth = new() { Search = SmoothSearch.Piecewise },
                Weights = new(),
                Activations = new(),
                Keep = ["Llama.Head"],
            },
            LlamaW8A8.Recipe);
        Assert.Equal(new WeightFormat { Per = Granularity.Group, Symmetric = false }, Assert.Single(BloomW4.Recipe.Overrides).Weights);
        Assert.Equal(2, BloomW4.Recipe.TensorParallel);
    }

    [Fact]
    public void Declared_HasTheHashOfTheSameRecipeByName() =>
        Assert.Equal(RecipeFile.Hash(NamedRecipes.Get("w8a8-smooth-all")), RecipeFile.Hash(ChatGlmW8A8.Recipe));

    [Fact]
    public void Declared_HoldsForItsModelsAtLoading()
    {
        RecipeChecks.Check(LlamaW8A8.Recipe, Structures.Of("llama-3-8b"), "Llama", 32);
        RecipeChecks.Check(ChatGlmW8A8.Recipe, Structures.Of("chatglm-6b"), "ChatGlm", 28);
        RecipeChecks.Check(BloomW4.Recipe, Structures.Of("bloom-7b1"), "Bloom", 30);
    }
}
