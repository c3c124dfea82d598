using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json.Nodes;
using Generated;
using Generated.Architectures;
using Generated.Configuration;
using Generated.Models;

namespace Models.Tests;

/// <summary>Each family is found by what its published config.json says, and by each of its signs alone.</summary>
public sealed class RegistryTests
{
    static RegistryTests() => RuntimeHelpers.RunModuleConstructor(typeof(Llama).Module.ModuleHandle);

    /// <summary>Folders with config.json files in the keys of the published ones.</summary>
    public static TheoryData<string, string> Folders => new()
    {
        { "llama", "Llama" }, { "llama2-gqa", "Llama" }, { "chatglm", "ChatGlm" }, { "chatglm2", "ChatGlm2" }, { "bloom", "Bloom" }, { "gpt", "Gpt" },
        { "opt", "Opt" }, { "opt-postln", "Opt" }, { "glm", "Glm" }, { "qwen", "Qwen" }, { "qwen2", "Qwen2" },
        { "baichuan-7b", "Baichuan" }, { "baichuan-13b", "Baichuan" }, { "baichuan2-7b", "Baichuan" },
    };

    [Theory, MemberData(nameof(Folders))]
    public void PublishedConfig_SelectsItsFamily(string folder, string name) => Assert.Equal(name, Find(Published(folder)).Name);

    [Theory, MemberData(nameof(Folders))]
    public void ModelTypeAlone_SelectsIt(string folder, string name) => Assert.Equal(name, Find(Without(Published(folder), "architectures", "auto_map")).Name);

    [Theory, MemberData(nameof(Folders))]
    public void ArchitecturesAlone_SelectIt(string folder, string name) => Assert.Equal(name, Find(Without(Published(folder), "model_type", "auto_map")).Name);

    /// <summary>The families whose code is published beside their weights.</summary>
    [Theory]
    [InlineData("chatglm", "ChatGlm")]
    [InlineData("chatglm2", "ChatGlm2")]
    [InlineData("glm", "Glm")]
    [InlineData("qwen", "Qwen")]
    [InlineData("baichuan-7b", "Baichuan")]
    [InlineData("baichuan-13b", "Baichuan")]
    [InlineData("baichuan2-7b", "Baichuan")]
    public void AutoMapAlone_SelectsIt(string folder, string name) => Assert.Equal(name, Find(Without(Published(folder), "model_type", "architectures")).Name);

    /// <summary>A file that was saved again names the repository of the code before its module.</summary>
    [Theory]
    [InlineData("""{"auto_map": {"AutoConfig": "THUDM/chatglm-6b--configuration_chatglm.ChatGLMConfig", "AutoModel": "THUDM/chatglm-6b--modeling_chatglm.ChatGLMForConditionalGeneration"}, "position_encoding_2d": true}""", "ChatGlm")]
    [InlineData("""{"auto_map": {"AutoModelForCausalLM": "THUDM/chatglm2-6b--modeling_chatglm.ChatGLMForConditionalGeneration"}, "padded_vocab_size": 65024}""", "ChatGlm2")]
    [InlineData("""{"auto_map": {"AutoModelForCausalLM": "baichuan-inc/Baichuan2-7B-Chat--modeling_baichuan.BaichuanForCausalLM"}}""", "Baichuan")]
    [InlineData("""{"auto_map": {"AutoConfig": "Qwen/Qwen-7B--configuration_qwen.QWenConfig", "AutoModelForCausalLM": "Qwen/Qwen-7B--modeling_qwen.QWenLMHeadModel"}}""", "Qwen")]
    [InlineData("""{"auto_map": {"AutoModelForCausalLM": "model_atom.LlamaForCausalLM"}}""", "Llama")]
    public void AutoMapOfASavedFile_SelectsIt(string json, string name) => Assert.Equal(name, Find(JsonNode.Parse(json)!).Name);

    /// <summary>The first conversions of LLaMA to transformers spell their class so.</summary>
    [Fact]
    public void AnUnknownType_BesideAKnownClass_IsRefused_UnlessTheCheckpointHasCodeOfItsOwn()
    {
        var error = Assert.Throws<InvalidInputException>(() => Find(JsonNode.Parse("""{"model_type": "mistral", "architectures": ["LlamaForCausalLM"]}""")!));
        Assert.Contains("model_type 'mistral'", error.Message);
        Assert.Contains("'llama'", error.Message);
        Assert.Equal("Llama", Find(JsonNode.Parse("""{"model_type": "atom", "architectures": ["LlamaForCausalLM"], "auto_map": {"AutoModelForCausalLM": "model_atom.LlamaForCausalLM"}}""")!).Name);
    }

    [Fact]
    public void OldClassOfLlama_SelectsIt() => Assert.Equal("Llama", Find(JsonNode.Parse("""{"architectures": ["LLaMAForCausalLM"]}""")!).Name);

    /// <summary>PaddleNLP's files lack what tells ChatGLM and ChatGLM2 apart; their types and classes do.</summary>
    [Theory]
    [InlineData("""{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}""", "Llama")]
    [InlineData("""{"model_type": "chatglm", "architectures": ["ChatGLMForCausalLM"]}""", "ChatGlm")]
    [InlineData("""{"model_type": "chatglm_v2", "architectures": ["ChatGLMv2ForCausalLM"]}""", "ChatGlm2")]
    [InlineData("""{"architectures": ["ChatGLMv2ForCausalLM"]}""", "ChatGlm2")]
    [InlineData("""{"model_type": "bloom", "architectures": ["BloomForCausalLM"]}""", "Bloom")]
    [InlineData("""{"model_type": "gpt", "architectures": ["GPTForCausalLM"]}""", "Gpt")]
    [InlineData("""{"model_type": "opt", "architectures": ["OPTForCausalLM"]}""", "Opt")]
    [InlineData("""{"model_type": "glm", "architectures": ["GLMForConditionalGeneration"]}""", "Glm")]
    [InlineData("""{"model_type": "qwen", "architectures": ["QWenForCausalLM"]}""", "Qwen")]
    [InlineData("""{"architectures": ["QWenForCausalLM"]}""", "Qwen")]
    [InlineData("""{"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}""", "Qwen2")]
    public void PaddleConfig_SelectsItsFamily(string json, string name) => Assert.Equal(name, Find(JsonNode.Parse(json)!).Name);

    /// <summary>What other versions of published files call the same sizes.</summary>
    [Theory]
    [InlineData("""{"model_type": "bloom", "vocab_size": 250880, "n_embed": 14336, "n_layer": 70, "num_attention_heads": 112}""", "bloom-176b")]
    [InlineData("""{"model_type": "qwen", "vocab_size": 151936, "n_embd": 4096, "n_layer": 32, "n_head": 32, "ffn_hidden_size": 22016, "kv_channels": 128, "seq_length": 8192, "use_dynamic_ntk": true, "use_logn_attn": true}""", "qwen-7b")]
    [InlineData("""{"model_type": "chatglm", "padded_vocab_size": 65024, "hidden_size": 4096, "num_layers": 28, "num_attention_heads": 32, "multi_query_group_num": 2, "kv_channels": 128, "ffn_hidden_size": 13696, "seq_length": 32768, "rope_ratio": 16}""", "chatglm2-6b-32k")]
    [InlineData("""{"model_type": "chatglm", "padded_vocab_size": 65024, "hidden_size": 4096, "num_layers": 28, "num_attention_heads": 32, "multi_query_group_num": 2, "kv_channels": 128, "ffn_hidden_size": 13696, "seq_length": 32768, "rope_ratio": 50}""", "chatglm3-6b-32k")]
    public void OtherKeys_AreRead(string json, string preset)
    {
        var reader = Reader(JsonNode.Parse(json)!);
        Assert.Equal(ArchitectureRegistry.FindPreset(preset).Preset.Config().ToString(), ArchitectureRegistry.Find(reader).ReadConfig(reader).ToString());
    }

    /// <summary>Files that look like a family's and are not.</summary>
    [Theory]
    [InlineData("""{"model_type": "chatglm", "architectures": ["ChatGLMModel"]}""", "position_encoding_2d")]
    [InlineData("""{"model_type": "llama", "vocab_size": 55296, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "rope_scaling": {"factor": 16.0, "type": "yarn"}}""", "rope_scaling.type")]
    [InlineData("""{"model_type": "llama", "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "hidden_act": "gelu"}""", "hidden_act")]
    [InlineData("""{"model_type": "qwen2", "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "use_sliding_window": true}""", "use_sliding_window")]
    [InlineData("""{"model_type": "opt", "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 64, "activation_function": "gelu"}""", "activation_function")]
    [InlineData("""{"model_type": "gpt2", "vocab_size": 320, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 64, "activation_function": "relu"}""", "activation_function")]
    [InlineData("""{"model_type": "glm", "architectures": ["GlmForCausalLM"], "vocab_size": 59264, "hidden_size": 3072, "num_hidden_layers": 40, "num_attention_heads": 24}""", "max_sequence_length")]
    public void OtherModels_AreRefusedByKey(string json, string key)
    {
        var reader = Reader(JsonNode.Parse(json)!);
        Assert.Contains($"'{key}'", Assert.Throws<InvalidInputException>(() => ArchitectureRegistry.Find(reader).ReadConfig(reader)).Message, StringComparison.Ordinal);
    }

    /// <summary>Keys that switch a published architecture to a wiring it is not declared with: ignored, they would give other logits without a word.</summary>
    [Theory]
    [InlineData("llama", "num_key_value_heads", "-1")]
    [InlineData("llama", "head_dim", "0")]
    [InlineData("qwen2", "num_key_value_heads", "0")]
    [InlineData("gpt", "n_inner", "-3")]
    [InlineData("gpt", "scale_attn_weights", "false")]
    [InlineData("gpt", "scale_attn_by_inverse_layer_idx", "true")]
    [InlineData("gpt", "add_cross_attention", "true")]
    [InlineData("opt", "layer_norm_elementwise_affine", "false")]
    [InlineData("glm", "block_position_encoding", "false")]
    [InlineData("glm", "relative_encoding", "true")]
    [InlineData("glm", "attention_scale", "2.0")]
    [InlineData("chatglm", "position_encoding_2d", "false")]
    [InlineData("chatglm2", "rmsnorm", "false")]
    [InlineData("chatglm2", "multi_query_attention", "false")]
    [InlineData("chatglm2", "kv_channels", "-16")]
    [InlineData("qwen", "rotary_pct", "0.5")]
    [InlineData("qwen", "scale_attn_weights", "false")]
    public void SwitchToAnotherWiring_IsRefusedByKey(string folder, string key, string value)
    {
        var config = Published(folder);
        config[key] = JsonNode.Parse(value);
        var reader = Reader(config);
        Assert.Contains($"'{key}'", Assert.Throws<InvalidInputException>(() => ArchitectureRegistry.Find(reader).ReadConfig(reader)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WidthThatHeadsDoNotDivide_IsRefusedByTheKeysOfTheFile()
    {
        var config = Without(Published("bloom"), "num_attention_heads");
        config["n_head"] = 3;
        var reader = Reader(config);
        var refusal = Assert.Throws<InvalidInputException>(() => ArchitectureRegistry.Find(reader).ReadConfig(reader)).Message;
        Assert.Contains("is 64, which must be a multiple of 3, the '", refusal, StringComparison.Ordinal);
    }

    private static ArchitectureInfo Find(JsonNode config) => ArchitectureRegistry.Find(Reader(config));

    private static ConfigReader Reader(JsonNode config) => ConfigReader.Parse(Encoding.UTF8.GetBytes(config.ToJsonString()), "config.json");

    private static JsonNode Published(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(Fixtures.Folder(folder), "config.json")))!;

    private static JsonNode Without(JsonNode config, params string[] keys)
    {
        foreach (var key in keys) config.AsObject().Remove(key);
        return config;
    }
}
