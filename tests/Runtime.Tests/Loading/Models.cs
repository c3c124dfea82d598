using Generated.Architectures;
using Generated.Loading;
using Runtime.Tests.Checkpoints;
using Runtime.Tests.Tokenization;
using TorchSharp;

namespace Runtime.Tests.Loading;

/// <summary>Checkpoints on the hand-written LLaMA.</summary>
internal static class Models
{
    static Models() => ArchitectureRegistry.Register(HandLlama.Architecture);

    public static LoadedModel Load(string folder, bool trainable = false) =>
        ModelLoader.Load(folder, new LoadOptions { Dtype = torch.ScalarType.Float32, Trainable = trainable });

    public static LoadedModel Fixture(string name) => Load(Files.Fixture(name));

    /// <summary>The pretrained model of shared/data, which is not part of the repository.</summary>
    public static string Stories()
    {
        var folder = TokenizerData.SharedPath("data", "stories260K");
        Skip.IfNot(Directory.Exists(folder), "shared/data/stories260K is not there");
        return folder!;
    }
}
