using System.Text.RegularExpressions;

namespace Docs.Tests;

public sealed partial class SourceTests
{
    /// <summary>TorchSharp's powers can fail at random (src/Runtime/Flows/TensorPowers.cs says why, and what to call instead).</summary>
    [Fact]
    public void NoSource_CallsPowersOfTorchSharp()
    {
        var files = Directory.EnumerateFiles(Repository.File("src"), "*.cs", SearchOption.AllDirectories).Where(file => !Built().IsMatch(file)).ToList();
        Assert.True(files.Count > 300);
        Assert.Empty(files.SelectMany(file => File.ReadLines(file).Where(line => Power().IsMatch(line)).Select(line => $"{file}: {line.Trim()}")));
    }

    [GeneratedRegex(@"[\\/](bin|obj)[\\/]")]
    private static partial Regex Built();

    [GeneratedRegex(@"\.(pow|square)_?\(")]
    private static partial Regex Power();
}
