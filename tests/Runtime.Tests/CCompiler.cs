using System.Diagnostics;

namespace Runtime.Tests;

/// <summary>Builds small native libraries for tests; without a C compiler such tests are skipped.</summary>
internal static class CCompiler
{
    /// <summary>Compiles a shared library <paramref name="output"/> in <paramref name="folder"/> and returns its path.</summary>
    internal static string Compile(string folder, string code, string output, params string[] options)
    {
        var path = Environment.GetEnvironmentVariable("PATH")!.Split(Path.PathSeparator);
        var compiler = new[] { "cc", "gcc", "clang" }.FirstOrDefault(c => path.Any(p => File.Exists(Path.Combine(p, c))));
        Skip.If(compiler is null, "no C compiler is installed");
        File.WriteAllText(Path.Combine(folder, "code.c"), code);
        var start = new ProcessStartInfo(compiler) { WorkingDirectory = folder };
        foreach (var argument in new[] { "-shared", "-fPIC", "code.c", "-o", output }.Concat(options))
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return Path.Combine(folder, output);
    }
}
