using System.Text;
using Generated;
using Generated.Architectures;
using Generated.Configuration;
using Generated.Layers;

namespace Runtime.Tests.Architectures;

public sealed class RegistryTests
{
    private static ArchitectureInfo Info(string name, string type) => new()
    {
        Name = name,
        ModelType = type,
        ReadConfig = _ => throw new NotSupportedException(),
        WriteConfig = (_, _) => throw new NotSupportedException(),
        StructureOf = _ => throw new NotSupportedException(),
        TensorsOf = _ => throw new NotSupportedException(),
        Create = (_, _) => throw new NotSupportedException(),
    };

    static RegistryTests() => ArchitectureRegistry.Register(
        Info("Plover", "plover") with { Architectures = ["PloverForCausalLM"], Presets = [new Preset("plover-7b", () => "config", [2])] },
        Info("HeronOne", "heron") with { Architectures = ["HeronModel"], RequiredKey = "beak_2d", PaddleArchitectures = ["HeronForCausalLM"] },
        Info("HeronTwo", "heron") with { Architectures = ["HeronModel"], RequiredKey = "padded_beak", PaddleModelType = "heron_v2", PaddleArchitectures = ["Heronv2ForCausalLM"] });

    private static ConfigReader Config(string json) => ConfigReader.Parse(Encoding.UTF8.GetBytes(json), "config.json");

    [Theory]
    [InlineData("""{"model_type": "plover"}""", "Plover")]
    [InlineData("""{"architectures": ["PloverForCausalLM"]}""", "Plover")]
    [InlineData("""{"model_type": "custom", "auto_map": {"AutoConfig": "configuration_plover.PloverConfig", "AutoModel": "modeling_plover.PloverForCausalLM"}}""", "Plover")]
    [InlineData("""{"model_type": "heron", "architectures": ["HeronModel"], "beak_2d": true}""", "HeronOne")]
    [InlineData("""{"model_type": "heron", "architectures": ["HeronModel"], "padded_beak": 3}""", "HeronTwo")]
    [InlineData("""{"model_type": "heron_v2"}""", "HeronTwo")]
    [InlineData("""{"model_type": "heron", "architectures": ["Heronv2ForCausalLM"]}""", "HeronTwo")]
    public void Config_SelectsItsArchitecture(string json, string name) => Assert.Equal(name, ArchitectureRegistry.Find(Config(json)).Name);

    [Theory]
    [InlineData("""{"model_type": "plovr"}""", "did you mean 'plover'?")]
    [InlineData("""{"model_type": "mamba"}""", "'mamba' is not known; known model types are")]
    [InlineData("""{"architectures": ["PloverForCausualLM"]}""", "did you mean 'PloverForCausalLM'?")]
    [InlineData("""{"hidden_size": 3}""", "names neither a 'model_type' nor 'architectures'")]
    [InlineData("""{"model_type": "heron"}""", "needs the key 'beak_2d' or 'padded_beak'")]
    public void UnknownConfig_IsRefusedWithTheNearestName(string json, string message)
    {
        var error = Assert.Throws<InvalidInputException>(() => ArchitectureRegistry.Find(Config(json)));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.StartsWith("config.json", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Preset_IsFoundByName()
    {
        Assert.Equal("Plover", ArchitectureRegistry.FindPreset("Plover-7B").Architecture.Name);
        Assert.Contains("did you mean 'plover-7b'?", Assert.Throws<InvalidInputException>(() => ArchitectureRegistry.FindPreset("plover-8b")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RegisteringAgain_Replaces()
    {
        var count = ArchitectureRegistry.All.Count;
        ArchitectureRegistry.Register(Info("Plover", "plover") with { Architectures = ["PloverForCausalLM"], Presets = [new Preset("plover-7b", () => "config", [2])] });
        Assert.Equal(count, ArchitectureRegistry.All.Count);
    }

    [Fact]
    public void RopeScaling_IsReadAndWrittenAsHuggingFaceHasIt()
    {
        Assert.Null(RopeScaling.Read(Config("{}"), "rope_scaling"));
        Assert.Null(RopeScaling.Read(Config("""{"rope_scaling": {"rope_type": "default"}}"""), "rope_scaling"));
        Assert.Equal(RopeScaling.Linear(2), RopeScaling.Read(Config("""{"rope_scaling": {"type": "linear", "factor": 2.0}}"""), "rope_scaling"));
        Assert.Equal(RopeScaling.Dynamic(4, 2048), RopeScaling.Read(Config("""{"max_position_embeddings": 2048, "rope_scaling": {"type": "dynamic", "factor": 4}}"""), "rope_scaling"));
        var llama3 = """{"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}}""";
        var read = RopeScaling.Read(Config(llama3), "rope_scaling");
        Assert.Equal(RopeScaling.Llama3(8, 1, 4, 8192), read);
        var writer = new ConfigWriter();
        read!.Write(writer, "rope_scaling");
        Assert.Equal(read, RopeScaling.Read(ConfigReader.Parse(Encoding.UTF8.GetBytes(writer.ToJson()), "config.json"), "rope_scaling"));
    }

    [Theory]
    [InlineData("""{"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}""", "rope_scaling.rope_type")]
    [InlineData("""{"rope_scaling": {"type": "linear"}}""", "rope_scaling.factor")]
    [InlineData("""{"rope_scaling": {"type": "linear", "factor": 0.5}}""", "rope_scaling.factor")]
    [InlineData("""{"rope_scaling": {"type": "dynamic", "factor": 2}}""", "max_position_embeddings")]
    [InlineData("""{"rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 1, "original_max_position_embeddings": 10}}""", "rope_scaling.high_freq_factor")]
    public void ImpossibleRopeScaling_IsRefusedByKey(string json, string key) =>
        Assert.Contains($"'{key}'", Assert.Throws<InvalidInputException>(() => RopeScaling.Read(Config(json), "rope_scaling")).Message, StringComparison.Ordinal);
}
