using System.Runtime.CompilerServices;
using System.Text;
using Generated.Architectures;
using Generated.Configuration;
using Generated.Layers;
using Generated.Models;
using Generated.Parallel;
using TorchSharp;

namespace Models.Tests;

/// <summary>Presets against what is published: numbers of parameters, config.json files, degrees of tensor parallelism.</summary>
public sealed class PresetTests
{
    static PresetTests() => RuntimeHelpers.RunModuleConstructor(typeof(Llama).Module.ModuleHandle);

    public static TheoryData<string> Names => [.. ArchitectureRegistry.All.SelectMany(a => a.Presets).Select(p => p.Name)];

    /// <summary>Totals as the model cards and the checkpoints' indices give them, a tied head counted once.</summary>
    [Theory]
    [InlineData("llama-7b", 6_738_415_616)]
    [InlineData("llama-13b", 13_015_864_320)]
    [InlineData("llama-30b", 32_528_943_616)]
    [InlineData("llama-65b", 65_285_660_672)]
    [InlineData("llama-2-70b", 68_976_648_192)]
    [InlineData("llama-3-8b", 8_030_261_248)]
    [InlineData("llama-3-70b", 70_553_706_496)]
    [InlineData("bloom-560m", 559_214_592)]
    [InlineData("bloom-1b1", 1_065_314_304)]
    [InlineData("bloom-1b7", 1_722_408_960)]
    [InlineData("bloom-3b", 3_002_557_440)]
    [InlineData("bloom-7b1", 7_069_016_064)]
    [InlineData("bloom-176b", 176_247_271_424)]
    [InlineData("chatglm-6b", 6_173_286_400 + 534_642_688)] // the file has the head beside the embedding that it equals
    [InlineData("chatglm2-6b", 6_243_584_000)]
    [InlineData("chatglm3-6b", 6_243_584_000)]
    [InlineData("gpt2", 124_439_808)]
    [InlineData("gpt2-medium", 354_823_168)]
    [InlineData("gpt2-large", 774_030_080)]
    [InlineData("gpt2-xl", 1_557_611_200)]
    [InlineData("opt-125m", 125_239_296)]
    [InlineData("opt-350m", 331_196_416)]
    [InlineData("opt-1.3b", 1_315_758_080)]
    [InlineData("opt-2.7b", 2_651_596_800)]
    [InlineData("opt-6.7b", 6_658_473_984)]
    [InlineData("opt-13b", 12_853_473_280)]
    [InlineData("opt-30b", 29_974_540_288)]
    [InlineData("qwen-1.8b", 1_836_828_672)]
    [InlineData("qwen-7b", 7_721_324_544)]
    [InlineData("qwen-14b", 14_167_290_880)]
    [InlineData("qwen-72b", 72_287_920_128)]
    [InlineData("qwen1.5-0.5b", 463_987_712)]
    [InlineData("qwen1.5-1.8b", 1_836_828_672)]
    [InlineData("qwen1.5-4b", 3_950_369_280)]
    [InlineData("qwen1.5-7b", 7_721_324_544)]
    [InlineData("qwen1.5-14b", 14_167_290_880)]
    [InlineData("qwen1.5-32b", 32_512_218_112)]
    [InlineData("qwen1.5-72b", 72_287_920_128)]
    [InlineData("qwen1.5-110b", 111_209_914_368)]
    [InlineData("qwen2-0.5b", 494_032_768)]
    [InlineData("qwen2-1.5b", 1_543_714_304)]
    [InlineData("qwen2-7b", 7_615_616_512)]
    [InlineData("qwen2-72b", 72_706_203_648)]
    [InlineData("baichuan-7b", 7_000_559_616)]
    [InlineData("baichuan-13b", 13_264_901_120)]
    [InlineData("baichuan2-7b", 7_505_973_248)]
    [InlineData("baichuan2-13b", 13_896_668_160)]
    public void Parameters_AreAsManyAsPublished(string preset, long published)
    {
        var (architecture, sizes) = ArchitectureRegistry.FindPreset(preset);
        Assert.Equal(published, architecture.TensorsOf(sizes.Config()).Where(t => t.TiedTo is null).Sum(t => t.Shape.Aggregate(1L, (a, b) => a * b)));
    }

    /// <summary>The keys that a derivative's published config.json has otherwise than the file it derives from.</summary>
    [Theory]
    [InlineData("chinese-llama-7b", """{"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 11008, "rms_norm_eps": 1e-06, "max_position_embeddings": 2048, "vocab_size": 49953}""")]
    [InlineData("chinese-llama-13b", """{"hidden_size": 5120, "num_hidden_layers": 40, "intermediate_size": 13824, "rms_norm_eps": 1e-06, "max_position_embeddings": 2048, "vocab_size": 49953}""")]
    [InlineData("chinese-alpaca-7b", """{"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 11008, "rms_norm_eps": 1e-06, "max_position_embeddings": 2048, "vocab_size": 49954}""")]
    [InlineData("chinese-llama-2-7b", """{"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 11008, "rms_norm_eps": 1e-05, "max_position_embeddings": 4096, "vocab_size": 55296}""")]
    [InlineData("chinese-llama-2-13b-16k", """{"hidden_size": 5120, "num_hidden_layers": 40, "intermediate_size": 13824, "rms_norm_eps": 1e-05, "max_position_embeddings": 16384, "rope_scaling": {"factor": 4.0, "type": "linear"}, "vocab_size": 55296}""")]
    [InlineData("ziya-llama-13b", """{"hidden_size": 5120, "num_hidden_layers": 40, "intermediate_size": 13824, "rms_norm_eps": 1e-06, "max_position_embeddings": 2048, "vocab_size": 39424}""")]
    [InlineData("linly-chinese-llama-2-7b", """{"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 11008, "rms_norm_eps": 1e-06, "max_position_embeddings": 2048, "vocab_size": 40076}""")]
    [InlineData("linly-chinese-llama-2-13b", """{"hidden_size": 5120, "num_hidden_layers": 40, "intermediate_size": 13824, "rms_norm_eps": 1e-06, "max_position_embeddings": 2048, "vocab_size": 40076}""")]
    [InlineData("llama2-chinese-13b", """{"hidden_size": 5120, "num_hidden_layers": 40, "intermediate_size": 13824, "rms_norm_eps": 1e-05, "max_position_embeddings": 2048, "vocab_size": 32000}""")]
    [InlineData("atom-7b", """{"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 11008, "rms_norm_eps": 1e-05, "max_position_embeddings": 4096, "vocab_size": 65000}""")]
    [InlineData("atom-7b-chat", """{"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 11008, "rms_norm_eps": 1e-05, "max_position_embeddings": 4096, "rope_theta": 500000, "vocab_size": 65000}""")]
    [InlineData("vicuna-7b-v1.5", """{"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 11008, "rms_norm_eps": 1e-05, "max_position_embeddings": 4096, "vocab_size": 32000}""")]
    [InlineData("alpaca-7b", """{"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 11008, "rms_norm_eps": 1e-06, "vocab_size": 32001}""")]
    public void Derivative_IsItsPublishedConfig(string preset, string published)
    {
        var heads = published.Contains("5120", StringComparison.Ordinal) ? 40 : 32;
        var config = ConfigReader.Parse(Encoding.UTF8.GetBytes($"{{\"model_type\": \"llama\", \"num_attention_heads\": {heads}, {published[1..]}"), "config.json");
        var architecture = ArchitectureRegistry.Find(config);
        // As text: records also compare what stands behind a property that a file left out.
        Assert.Equal(ArchitectureRegistry.FindPreset(preset).Preset.Config().ToString(), architecture.ReadConfig(config).ToString());
    }

    /// <summary>A preset written as config.json is read back as it was, and selects its own architecture.</summary>
    [Theory, MemberData(nameof(Names))]
    public void Preset_SurvivesItsConfigFile(string preset)
    {
        var (architecture, sizes) = ArchitectureRegistry.FindPreset(preset);
        var writer = new ConfigWriter();
        architecture.WriteConfig(sizes.Config(), writer);
        writer.Set("model_type", architecture.ModelType);
        if (architecture.RequiredKey == "position_encoding_2d") writer.Set("position_encoding_2d", true); // says which of two architectures it is, and nothing else
        var reader = ConfigReader.Parse(Encoding.UTF8.GetBytes(writer.ToJson()), "config.json");
        Assert.Same(architecture, ArchitectureRegistry.Find(reader));
        var read = architecture.ReadConfig(reader);
        Assert.Equal(sizes.Config().ToString(), read.ToString());
    }

    /// <summary>At each degree that a preset names, every rank can be built; nothing is allocated.</summary>
    [Theory, MemberData(nameof(Names))]
    public void Preset_IsDividedAtEachOfItsDegrees(string preset)
    {
        var (architecture, sizes) = ArchitectureRegistry.FindPreset(preset);
        var config = sizes.Config();
        using var whole = architecture.Create(config, new BuildOptions { Device = torch.META });
        foreach (var degree in sizes.TensorParallel)
        {
            var parameters = ThreadCollective.Run(degree, group =>
            {
                using var model = architecture.Create(config, new BuildOptions { Device = torch.META, TensorParallel = group });
                return model.Parameters().Sum(p => p.Value.numel());
            });
            Assert.Single(parameters.Distinct());
            Assert.InRange(parameters[0], whole.ParameterCount / degree, whole.ParameterCount);
        }
    }
}
