using Generated.Generation;
using Generated.Layers;
using Generated.Loading;
using Generated.Training;
using Generated.Verification;

namespace Docs.Tests.Example;

public static class FirstRun
{
    /// <summary>A checkpoint of a tiny model with random weights, in Hugging Face's form.</summary>
    public static void Save(string folder)
    {
        var config = new GptJConfig { Vocab = 96, Hidden = 32, Layers = 2, Heads = 4, RotaryDim = 4, MaxPositions = 64 };
        using var model = GptJ.Create(config, new BuildOptions());
        WeightInitializer.Initialize(model, seed: 1);
        CheckpointSaver.Save(model, GptJ.Architecture, folder);
    }

    /// <summary>Loads a checkpoint, holds every generated pass against the declaration, and continues a prompt.</summary>
    public static IReadOnlyList<int> Run(string folder, TextWriter output)
    {
        using var loaded = ModelLoader.Load(folder);
        foreach (var pass in Consistency.Check(loaded.Model, [5, 9, 2, 17]))
            output.WriteLine($"{pass.Name} {(pass.IsOk ? "is what is declared" : $"differs by {pass.MaxAbsolute:g2}")}");
        foreach (var group in loaded.Model.Structure.NormGroups)
            output.WriteLine($"{group.Norm} scales {string.Join(", ", group.Linears)}");
        return loaded.CreateGenerator().Complete([[5, 9, 2, 17]], new GenerationOptions { MaxTokens = 8 })[0].Ids;
    }
}
