using Generated;
using Generated.Quant.Formats;

namespace Quant.Tests.Formats;

/// <summary>A run that was interrupted leaves no half folder, and what continues it gives the bytes of one that was not.</summary>
public sealed class ResumeTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(4)]
    public void ContinuedRuns_GiveTheSameBytes(int parts)
    {
        using var folders = new Folders();
        using var sample = new QuantizedSample("llama", new SampleOptions { Bits = 4, GroupSize = 32, KvCache = true });
        sample.Write(folders["whole"]);
        using (var writer = QuantizedCheckpointWriter.Begin(sample.Plan(folders["cut"])))
        {
            for (var part = -1; part < parts - 1; part++)
                sample.WritePart(writer, part);
            File.WriteAllText(Path.Combine(writer.WorkFolder, "statistics"), "1");
        }

        Assert.False(Directory.Exists(folders["cut"]));
        using (var writer = QuantizedCheckpointWriter.Begin(sample.Plan(folders["cut"])))
        {
            Assert.Equal(Enumerable.Range(-1, parts), writer.Done.Order());
            Assert.Equal("1", File.ReadAllText(Path.Combine(writer.WorkFolder, "statistics")));
            if (parts < 4)
                Assert.Contains("are not written", Assert.Throws<InvalidOperationException>(writer.Complete).Message);
            for (var part = parts - 1; part < 3; part++)
                sample.WritePart(writer, part);
            writer.Complete();
        }

        var names = Directory.GetFileSystemEntries(folders["whole"]).Select(Path.GetFileName).Order().ToList();
        Assert.Equal(names, Directory.GetFileSystemEntries(folders["cut"]).Select(Path.GetFileName).Order());
        Assert.All(names, name => Assert.Equal(File.ReadAllBytes(Path.Combine(folders["whole"], name!)), File.ReadAllBytes(Path.Combine(folders["cut"], name!))));
    }

    [Fact]
    public void PartsOfAnotherRecipeOrText_AreThrownAway()
    {
        using var folders = new Folders();
        using var sample = new QuantizedSample("llama", new SampleOptions());
        using (var writer = QuantizedCheckpointWriter.Begin(sample.Plan(folders["q"], "one")))
            sample.WritePart(writer, 0);
        using (var writer = QuantizedCheckpointWriter.Begin(sample.Plan(folders["q"], "other")))
            Assert.Empty(writer.Done);
    }

    [Fact]
    public void AFolderThatIsThere_IsKeptUntilTheNewOneIsWhole()
    {
        using var folders = new Folders();
        using var sample = new QuantizedSample("llama", new SampleOptions());
        Directory.CreateDirectory(folders["q"]);
        File.WriteAllText(Path.Combine(folders["q"], "mine"), "");
        Assert.Contains("not empty", Assert.Throws<InvalidInputException>(() => QuantizedCheckpointWriter.Begin(sample.Plan(folders["q"]))).Message);
        using (var writer = QuantizedCheckpointWriter.Begin(sample.Plan(folders["q"]) with { Overwrite = true }))
        {
            for (var part = -1; part < 3; part++)
                sample.WritePart(writer, part);
            Assert.True(File.Exists(Path.Combine(folders["q"], "mine")));
            writer.Complete();
        }

        Assert.False(File.Exists(Path.Combine(folders["q"], "mine")));
        Assert.True(File.Exists(Path.Combine(folders["q"], "config.json")));
    }
}
