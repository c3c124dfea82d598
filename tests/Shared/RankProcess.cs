using System.Diagnostics;

/// <summary>Runs tests/RankApp as a process of its own.</summary>
internal static class RankProcess
{
    private static readonly Lazy<bool> _mpirunIsOpenMpi = new(() =>
    {
        using var process = Process.Start(new ProcessStartInfo("mpirun", "--version") { RedirectStandardOutput = true, UseShellExecute = false })!;
        return process.StandardOutput.ReadToEnd().Contains("Open MPI", StringComparison.Ordinal);
    });

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

    /// <summary>Skips a test where a launcher is not installed: <c>mpirun</c> is Open MPI's, <c>mpirun.mpich</c> MPICH's beside it. On CI the first one must be.</summary>
    internal static void Require(string launcher)
    {
        var isOpenMpi = launcher == "mpirun";
        var found = Environment.GetEnvironmentVariable("PATH")!.Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, launcher)));
        found = found && (!isOpenMpi || _mpirunIsOpenMpi.Value);
        if (isOpenMpi && Environment.GetEnvironmentVariable("CI") == "true")
            Assert.True(found, "CI must have Open MPI's mpirun: apt-get install --no-install-recommends openmpi-bin");
        Skip.IfNot(found, $"{(isOpenMpi ? "Open MPI's mpirun" : launcher)} is not installed (apt-get install --no-install-recommends {(isOpenMpi ? "openmpi-bin" : "mpich")})");
    }
}
