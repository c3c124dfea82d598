using Generated;
using Generated.Checkpoints.Writing;

namespace Runtime.Tests.Checkpoints;

public sealed class FolderTransactionTests
{
    [Fact]
    public void Commit_NewFolder_AppearsWhole()
    {
        using var root = Files.Temporary();
        using (var folder = FolderTransaction.Begin(root["deep/target/"]))
        {
            File.WriteAllText(Path.Combine(folder.Folder, "a"), "1");
            Directory.CreateDirectory(Path.Combine(folder.Folder, "sub"));
            File.WriteAllText(Path.Combine(folder.Folder, "sub", "b"), "2");
            Assert.False(Directory.Exists(root["deep/target"]));
            folder.Commit();
        }

        Assert.Equal("2", File.ReadAllText(root["deep/target/sub/b"]));
        Assert.Equal(["target"], Directory.GetFileSystemEntries(root["deep"]).Select(Path.GetFileName));
    }

    [Fact]
    public void Dispose_WithoutCommit_LeavesEverythingAsItWas()
    {
        using var root = WithTarget();
        using (var folder = FolderTransaction.Begin(root["target"], overwrite: true))
            File.WriteAllText(Path.Combine(folder.Folder, "new"), "1");
        Assert.Equal("before", File.ReadAllText(root["target/old"]));
        Assert.Equal(["target"], Directory.GetFileSystemEntries(root.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void Commit_Overwriting_ReplacesTheFolder()
    {
        using var root = WithTarget();
        using (var folder = FolderTransaction.Begin(root["target"], overwrite: true))
        {
            File.WriteAllText(Path.Combine(folder.Folder, "new"), "1");
            File.SetAttributes(Path.Combine(folder.Folder, "new"), FileAttributes.ReadOnly);
            folder.Commit();
        }

        Assert.Equal(["new"], Directory.GetFiles(root["target"]).Select(Path.GetFileName));
        Assert.Equal(["target"], Directory.GetFileSystemEntries(root.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void Begin_TargetThatIsThere_IsRefused()
    {
        using var root = WithTarget();
        Assert.Contains("not empty", Assert.Throws<InvalidInputException>(() => FolderTransaction.Begin(root["target"])).Message, StringComparison.Ordinal);
        Assert.Contains("is a file", Assert.Throws<InvalidInputException>(() => FolderTransaction.Begin(root["target/old"])).Message, StringComparison.Ordinal);
        Directory.CreateDirectory(root["empty"]);
        using var folder = FolderTransaction.Begin(root["empty"]);
        folder.Commit();
    }

    [Fact]
    public void Begin_AfterAnInterruptedRun_CleansUp()
    {
        using var root = Files.Temporary();
        Directory.CreateDirectory(root["target.partial/sub"]);
        File.WriteAllText(root["target.partial/sub/half"], "x");

        // Interrupted between the two renames of a replacement: the old folder comes back.
        Directory.CreateDirectory(root["target.replaced"]);
        File.WriteAllText(root["target.replaced/old"], "before");
        using (var folder = FolderTransaction.Begin(root["target"], overwrite: true))
        {
            Assert.Empty(Directory.GetFileSystemEntries(folder.Folder));
            Assert.Equal("before", File.ReadAllText(root["target/old"]));
        }

        Assert.Equal("before", File.ReadAllText(root["target/old"]));
    }

    [Fact]
    public void Begin_WhileAnotherWrites_IsRefused()
    {
        using var root = Files.Temporary();
        using (FolderTransaction.Begin(root["target"]))
            Assert.Contains("another process", Assert.Throws<GeneratedException>(() => FolderTransaction.Begin(root["target"])).Message, StringComparison.Ordinal);
        using var again = FolderTransaction.Begin(root["target"]);
    }

    private static TemporaryFolder WithTarget()
    {
        var root = Files.Temporary();
        Directory.CreateDirectory(root["target"]);
        File.WriteAllText(root["target/old"], "before");
        return root;
    }
}
