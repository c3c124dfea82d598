using System.Runtime.CompilerServices;
using Generated.Architectures;
using Generated.Models;

namespace Models.Tests.Structure;

/// <summary>Every family and every wiring that a config.json can switch on, in tiny sizes.</summary>
internal static class Families
{
    private const int Vocab = 40;

    static Families() => RuntimeHelpers.RunModuleConstructor(typeof(Llama).Module.ModuleHandle);

    public static LlamaConfig Llama => new() { Vocab = Vocab, Hidden = 16, Layers = 2, Heads = 4, KvHeads = 2, Ffn = 24 };

    public static ChatGlmConfig ChatGlm => new() { Vocab = Vocab, Hidden = 16, Layers = 2, Heads = 4, MaskId = 36, GMaskId = 37, BosId = 38 };

    public static ChatGlm2Config ChatGlm2 => new() { Vocab = Vocab, Hidden = 16, Layers = 2, Heads = 4, KvHeads = 2, HeadDim = 4, Ffn = 24 };

    public static BloomConfig Bloom => new() { Vocab = Vocab, Hidden = 24, Layers = 2, Heads = 6 };

    public static GptConfig Gpt => new() { Vocab = Vocab, Hidden = 16, Layers = 2, Heads = 4, MaxPositions = 16 };

    public static OptConfig Opt => new() { Vocab = Vocab, Hidden = 16, Layers = 2, Heads = 4, Ffn = 24, MaxPositions = 16 };

    /// <summary>OPT-350m's wiring: norms behind, the embedding projected.</summary>
    public static OptConfig OptNormAfter => Opt with { EmbedWidth = 12, NormBefore = false };

    public static GlmConfig Glm => new() { Vocab = Vocab, Hidden = 16, Layers = 2, Heads = 4, MaxPositions = 16 };

    public static QwenConfig Qwen => new() { Vocab = Vocab, Hidden = 16, Layers = 2, Heads = 4, FfnBoth = 48, TrainedLength = 16 };

    public static Qwen2Config Qwen2 => new() { Vocab = Vocab, Hidden = 16, Layers = 2, Heads = 4, KvHeads = 2, Ffn = 24 };

    public static BaichuanConfig Baichuan => new() { Vocab = Vocab, Hidden = 16, Layers = 2, Heads = 4, Ffn = 24, MaxPositions = 16 };

    /// <summary>All of them by name, with their switched wirings.</summary>
    public static IReadOnlyDictionary<string, object> All { get; } = new Dictionary<string, object>
    {
        ["llama"] = Llama,
        ["llama, tied"] = Llama with { Tied = true },
        ["llama, biases"] = Llama with { AttentionBias = true },
        ["chatglm"] = ChatGlm,
        ["chatglm2"] = ChatGlm2,
        ["chatglm2, residual after norm"] = ChatGlm2 with { ResidualAfterNorm = true },
        ["chatglm2, no final norm"] = ChatGlm2 with { HasFinalNorm = false },
        ["chatglm2, positions divided"] = ChatGlm2 with { RopeRatio = 16 },
        ["bloom"] = Bloom,
        ["bloom, residual after norm"] = Bloom with { ResidualAfterNorm = true },
        ["gpt"] = Gpt,
        ["gpt, untied"] = Gpt with { Tied = false },
        ["opt"] = Opt,
        ["opt, norms after"] = OptNormAfter,
        ["opt, no final norm"] = Opt with { FinalNormRemoved = true },
        ["glm"] = Glm,
        ["glm, tanh"] = Glm with { TanhGelu = true },
        ["qwen"] = Qwen,
        ["qwen2"] = Qwen2,
        ["qwen2, tied"] = Qwen2 with { Tied = true },
        ["baichuan"] = Baichuan,
        ["baichuan, alibi"] = Baichuan with { MaxPositions = 0 },
        ["baichuan2"] = Baichuan with { NormHeadGiven = true },
    };

    /// <summary>Tokens that every family takes: ChatGLM wants gMASK and bos.</summary>
    public static int[] Tokens => [5, 9, 2, 17, 37, 38, 21, 8, 30];

    /// <summary>The architecture that reads configs of this type.</summary>
    public static ArchitectureInfo ArchitectureOf(object config) => ArchitectureRegistry.All.Single(a => a.Presets[0].Config().GetType() == config.GetType());
}
