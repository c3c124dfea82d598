using System.Diagnostics;

/// <summary>Runs tests/RankApp as a process of its own.</summary>
internal static class RankProcess
{
    internal sealed record Result(int ExitCode, string Output, string Errors);

    /// <summary>Starts the program; <see cref="Finish"/> collects it.</summary>
    internal static Process Start(string[] arguments, params (string Name, string? Value)[] environment) =>
        StartProgram(Path.Combine(AppContext.BaseDirectory, "RankApp.dll"), arguments, environment);

    /// <summary>Starts a copy of the program.</summary>
    internal static Process StartProgram(string program, string[] arguments, params (string Name, string? Value)[] environment)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet") { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.ArgumentList.Add(program);
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    internal static Result Finish(Process process, int seconds = 180)
    {
        using (process)
        {
            var output = process.StandardOutput.ReadToEndAsync();
            var errors = process.StandardError.ReadToEndAsync();
            if (!process.WaitForExit(TimeSpan.FromSeconds(seconds)))
            {
                process.Kill(entireProcessTree: true);
                Assert.Fail($"RankApp did not end within {seconds} s: {errors.Result}");
            }
            return new(process.ExitCode, output.Result, errors.Result);
        }
    }

    internal static Result Run(string[] arguments, params (string Name, string? Value)[] environment) => Finish(Start(arguments, environment));

    /// <summary>Skips a test where a launcher is not installed; on CI the first one must be.</summary>
    internal static void Require(string launcher)
    {
        var found = Environment.GetEnvironmentVariable("PATH")!.Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, launcher)));
        if (launcher == "mpirun" && Environment.GetEnvironmentVariable("CI") == "true")
            Assert.True(found, "CI must have mpirun: apt-get install --no-install-recommends openmpi-bin");
        Skip.IfNot(found, $"{launcher} is not installed (apt-get install --no-install-recommends {(launcher == "mpirun" ? "openmpi-bin" : "mpich")})");
    }
}
