using System.Text.Json;
using Generated.Checkpoints;

namespace Cli.Tests;

/// <summary>Paddle's tensor-parallel shards: cut as PaddleNLP's tables say, and joined again without a trace.</summary>
public sealed class ConvertRanksTests
{
    public static TheoryData<string, int> Families => new()
    {
        { "llama", 2 }, { "llama", 4 }, { "llama2-gqa", 2 }, { "llama2-gqa", 4 }, { "chatglm", 2 }, { "chatglm2", 2 }, { "bloom", 2 }, { "bloom", 4 },
        { "gpt", 2 }, { "gpt", 4 }, { "opt", 2 }, { "opt-postln", 2 }, { "glm", 2 }, { "qwen", 2 }, { "qwen2", 2 }, { "baichuan-7b", 2 }, { "baichuan2-7b", 4 },
    };

    [Theory, MemberData(nameof(Families))]
    public async Task CutAndJoined_IsTheSameInEveryByte(string name, int ranks)
    {
        using var folder = Data.Temporary();
        (await Run.Of("convert", Data.Fixture(name), folder["whole"], "--to", "paddle", "--format", "pdparams")).Ok();
        (await Run.Of("convert", Data.Fixture(name), folder["ranks"], "--to", "paddle", "--tp", $"{ranks}")).Ok();
        Assert.Equal(Enumerable.Range(0, ranks).Select(rank => $"model_state.tp{rank:00}.pdparams"), Directory.GetFiles(folder["ranks"], "model_state*").Select(Path.GetFileName).Order());
        (await Run.Of("convert", folder["ranks"], folder["joined"], "--to", "paddle", "--format", "pdparams")).Ok();
        Assert.Equal(Tensors.Of(folder["whole"]), Tensors.Of(folder["joined"]));
        Assert.Equal(Config(folder["whole"]), Config(folder["joined"]));
        (await Run.Of("convert", folder["whole"], folder["hf"])).Ok();
        (await Run.Of("convert", folder["ranks"], folder["hf-joined"], "--verify")).Ok();
        Assert.Equal(Tensors.Of(folder["hf"]), Tensors.Of(folder["hf-joined"]));
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("glm")]
    public async Task Ranks_AreLoadedAsTheyAre(string name)
    {
        using var folder = Data.Temporary();
        (await Run.Of("convert", Data.Fixture(name), folder["ranks"], "--to", "paddle", "--tp", "2")).Ok();
        (await Run.Of("verify", folder["ranks"], "--golden", Data.Fixture(name, "golden.safetensors"))).Ok();
    }

    /// <summary>Tables read from PaddleNLP's sources: which axis of Paddle's tensor is cut, and which fused sections by themselves.</summary>
    [Theory]
    [InlineData("llama", "llama")]
    [InlineData("chatglm", "chatglm")]
    [InlineData("chatglm2", "chatglm_v2")]
    [InlineData("bloom", "bloom")]
    [InlineData("gpt", "gpt")]
    [InlineData("opt", "opt")]
    [InlineData("opt-postln", "opt")]
    [InlineData("glm", "glm")]
    [InlineData("qwen", "qwen")]
    public async Task Cuts_AreThoseOfPaddlesTable(string name, string table)
    {
        const int Ranks = 2;
        using var folder = Data.Temporary();
        (await Run.Of("convert", Data.Fixture(name), folder["whole"], "--to", "paddle", "--format", "pdparams")).Ok();
        (await Run.Of("convert", Data.Fixture(name), folder["ranks"], "--to", "paddle", "--tp", $"{Ranks}")).Ok();
        using var whole = Checkpoint.Open(folder["whole"]);
        using var parts = Checkpoint.Open(folder["ranks"]);
        var rows = Table(table);
        foreach (var info in whole.Tensors.Values)
        {
            var row = rows[Template(info.Name)];
            var axis = row.TryGetProperty("tp_axis", out var cut) && cut.ValueKind == JsonValueKind.Number && row.GetProperty("tp").ValueKind == JsonValueKind.String ? cut.GetInt32() : -1;
            var fuse = row.TryGetProperty("tp_fuse", out var kind) ? kind.ToString() : "";
            for (var rank = 0; rank < Ranks; rank++)
                Assert.True(Expected(name, whole, info, axis, fuse, rank, Ranks).AsSpan().SequenceEqual(parts.Ranks[rank].ReadBytes(info.Name)), $"{info.Name}, rank {rank}");
        }
    }

    /// <summary>What a rank holds, by plain loops over the elements.</summary>
    private static byte[] Expected(string name, Checkpoint whole, TensorInfo info, int axis, string fuse, int rank, int ranks)
    {
        var bytes = whole.ReadBytes(info.Name);
        if (axis < 0)
            return bytes;
        var size = info.DType.Size();
        var rows = axis == 0 ? 1 : (int)info.Shape[0];
        var unit = axis == 0 && info.Shape.Count == 2 ? (int)info.Shape[1] * size : size;
        var columns = (int)info.Shape[axis];
        var order = Order(name, columns, fuse, rank, ranks).ToArray();
        var part = new List<byte>();
        for (var row = 0; row < rows; row++)
            foreach (var column in order)
                part.AddRange(bytes.AsSpan(((row * columns) + column) * unit, unit));
        return [.. part];
    }

    private static IEnumerable<int> Order(string name, int columns, string fuse, int rank, int ranks)
    {
        const int Heads = 4;
        int[] sections = fuse switch
        {
            "" => [columns],
            "2" => [columns / 2, columns / 2],
            "3" or "old_qkv" => [columns / 3, columns / 3, columns / 3],
            "qkv_sections" when name == "chatglm2" => [64, 32, 32], // 4 query heads and 2 groups, 16 wide
            _ => throw new ArgumentException(fuse),
        };
        if (fuse == "old_qkv")
        {
            var width = sections[0] / Heads;
            return from head in Enumerable.Range(rank * Heads / ranks, Heads / ranks)
                   from section in Enumerable.Range(0, 3)
                   from i in Enumerable.Range(0, width)
                   select (section * sections[0]) + (head * width) + i;
        }

        var starts = sections.Select((_, i) => sections.Take(i).Sum());
        return starts.Zip(sections).SelectMany(section => Enumerable.Range(section.First + (rank * section.Second / ranks), section.Second / ranks));
    }

    [Fact]
    public async Task RanksThatDoNotFit_AreRefused()
    {
        using var folder = Data.Temporary();
        (await Run.Of("convert", Data.Fixture("llama"), folder["x"], "--to", "paddle", "--tp", "3")).Refused(2, "3");
        (await Run.Of("convert", Data.Fixture("glm"), folder["x"], "--to", "paddle", "--tp", "4")).Refused(2, "330", "word_embeddings");
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));

        (await Run.Of("convert", Data.Fixture("llama"), folder["ranks"], "--to", "paddle", "--tp", "2")).Ok();
        File.Delete(folder["ranks", "model_state.tp01.pdparams"]);
        (await Run.Of("convert", folder["ranks"], folder["x"])).Refused(2, "model_state.tp01.pdparams");
        File.Copy(folder["ranks", "model_state.tp00.pdparams"], folder["ranks", "model_state.tp01.pdparams"]);
        (await Run.Of("convert", Data.Fixture("llama-fp16"), folder["other"], "--to", "paddle", "--tp", "2", "--dtype", "float32")).Ok();
        File.Copy(folder["other", "model_state.tp01.pdparams"], folder["ranks", "model_state.tp01.pdparams"], overwrite: true);
        (await Run.Of("convert", folder["ranks"], folder["x"])).Refused(2, "model_state.tp01.pdparams", "norm");
    }

    private static Dictionary<string, JsonElement> Table(string name)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Data.Fixture("paddle-names", name + ".json")));
        return document.RootElement.Clone().EnumerateArray()
            .Where(row => row.GetProperty("paddle").ValueKind == JsonValueKind.String && !(row.TryGetProperty("variant", out var variant) && variant.ValueKind == JsonValueKind.String))
            .ToDictionary(row => row.GetProperty("paddle").GetString()!);
    }

    private static string Template(string name) => string.Join('.', name.Split('.').Select(part => part.All(char.IsAsciiDigit) ? "{i}" : part));

    private static string Config(string folder) => File.ReadAllText(Path.Combine(folder, "config.json"));
}
