using Generated.Checkpoints.Writing;

namespace Runtime.Tests.Checkpoints;

public sealed class ResumableFolderTests
{
    [Fact]
    public void UnfinishedWork_StaysForTheNextRun_AndGoesWhereItIsNotAskedFor()
    {
        using var root = Files.Temporary();
        using (var folder = FolderTransaction.Begin(root["target"], resumable: true))
            File.WriteAllText(Path.Combine(folder.Folder, "part"), "1");
        Assert.False(Directory.Exists(root["target"]));
        using (var folder = FolderTransaction.Begin(root["target"], resumable: true))
        {
            Assert.Equal("1", File.ReadAllText(Path.Combine(folder.Folder, "part")));
            folder.Commit();
        }

        Assert.Equal("1", File.ReadAllText(root["target/part"]));
        using (var folder = FolderTransaction.Begin(root["other"], resumable: true))
            File.WriteAllText(Path.Combine(folder.Folder, "part"), "1");
        using (var folder = FolderTransaction.Begin(root["other"]))
            Assert.Empty(Directory.GetFileSystemEntries(folder.Folder));
        Assert.Equal(["target"], Directory.GetFileSystemEntries(root.Path).Select(Path.GetFileName));
    }
}
