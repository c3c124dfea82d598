namespace Runtime.Tests.Checkpoints;

/// <summary>tests/fixtures stays small, and is unpacked to what was recorded.</summary>
public sealed class RecordedFixtureTests
{
    [Fact]
    public void StoredFiles_StayUnderFifteenMegabytes() =>
        Assert.InRange(Directory.EnumerateFiles(RecordedFixtures.Stored, "*", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length), 1, 15_000_000 - 1);

    [SkippableFact]
    public void UnpackedFiles_AreTheOriginals()
    {
        Skip.If(Files.SharedFixtures is null, "shared/fixtures, which has the complete recordings, is not beside the checkout");
        var compared = 0;
        foreach (var original in Directory.EnumerateFiles(Files.SharedFixtures!, "*", SearchOption.AllDirectories))
        {
            var unpacked = Path.Combine(RecordedFixtures.Root, Path.GetRelativePath(Files.SharedFixtures!, original));
            if (Path.GetExtension(original) is not (".safetensors" or ".bin" or ".pdparams") || !File.Exists(unpacked))
                continue;
            Assert.True(File.ReadAllBytes(original).AsSpan().SequenceEqual(File.ReadAllBytes(unpacked)), $"{unpacked} is not what was recorded");
            compared++;
        }

        Assert.True(compared > 60, $"only {compared} files were compared");
    }
}
