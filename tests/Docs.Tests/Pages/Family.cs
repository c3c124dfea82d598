using System.Runtime.CompilerServices;
using Generated.Architectures;
using Generated.Models;

namespace Docs.Tests.Pages;

/// <summary>A page of docs/models: its architecture and the wirings that its configs choose between.</summary>
/// <param name="Name">The page's name.</param>
/// <param name="Wirings">By title, the published one first.</param>
internal sealed record Family(string Name, IReadOnlyList<(string Title, object Config)> Wirings)
{
    static Family() => RuntimeHelpers.RunModuleConstructor(typeof(Llama).Module.ModuleHandle);

    public static IReadOnlyList<Family> All { get; } =
    [
        new("llama", [("llama-2-70b", LlamaConfig.Llama2With70B), ("`tie_word_embeddings`", LlamaConfig.Llama2With70B with { Tied = true }), ("`attention_bias`", LlamaConfig.Llama2With70B with { AttentionBias = true })]),
        new("chatglm", [("chatglm-6b", ChatGlmConfig.ChatGlm6B)]),
        new("chatglm2",
        [
            ("chatglm2-6b", ChatGlm2Config.ChatGlm2With6B),
            ("`apply_residual_connection_post_layernorm`", ChatGlm2Config.ChatGlm2With6B with { ResidualAfterNorm = true }),
            ("`post_layer_norm` off", ChatGlm2Config.ChatGlm2With6B with { HasFinalNorm = false }),
            ("`add_bias_linear`", ChatGlm2Config.ChatGlm2With6B with { LinearBias = true }),
        ]),
        new("bloom", [("bloom-7b1", BloomConfig.Bloom7B1), ("`apply_residual_connection_post_layernorm`", BloomConfig.Bloom7B1 with { ResidualAfterNorm = true })]),
        new("gpt", [("gpt2", GptConfig.Gpt2), ("`tie_word_embeddings` off", GptConfig.Gpt2 with { Tied = false })]),
        new("opt", [("opt-1.3b", OptConfig.Opt1B3), ("opt-350m (`do_layer_norm_before` off, projected)", OptConfig.Opt350M), ("`_remove_final_layer_norm`", OptConfig.Opt1B3 with { FinalNormRemoved = true })]),
        new("glm", [("glm-10b", GlmConfig.Glm10B)]),
        new("qwen", [("qwen-7b", QwenConfig.Qwen7B)]),
        new("qwen2", [("qwen2-7b", Qwen2Config.Qwen2With7B), ("qwen2-0.5b (`tie_word_embeddings`)", Qwen2Config.Qwen2With0B5)]),
        new("baichuan", [("baichuan-7b", BaichuanConfig.Baichuan7B), ("baichuan-13b (ALiBi)", BaichuanConfig.Baichuan13B), ("baichuan2-7b (head of unit rows)", BaichuanConfig.Baichuan2With7B)]),
    ];

    public string Page => $"docs/models/{Name}.md";

    /// <summary>The architecture that reads these configs.</summary>
    public ArchitectureInfo Architecture => ArchitectureRegistry.All.Single(a => a.Presets.Count > 0 && a.Presets[0].Config().GetType() == Wirings[0].Config.GetType());

    public override string ToString() => Name;
}
