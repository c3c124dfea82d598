using System.Diagnostics;
using System.Text.Json;

namespace Cli.Tests;

/// <summary>The command as a job of several processes, started by itself or under mpirun.</summary>
public sealed class TensorParallelTests
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "generated.dll");

    /// <summary>Far more than a job takes, far less than one that waits for a rank that has gone.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(4);

    [SkippableTheory]
    [InlineData]
    [InlineData("--temperature", "0.8", "--seed", "3")]
    public async Task Generate_OnTwoRanks_GivesTheIdsOfOne(params string[] sampling)
    {
        string[] command = ["generate", Data.Fixture("llama2-gqa"), "--ids", "5,17,200", "--ids", "9", "-n", "12", "--ignore-eos", "--json", .. sampling];
        var one = (await Run.Of(command)).Ok().Json;
        var two = (await Job("dotnet", [Program, .. command, "--tp", "2"])).Ok().Json;
        Assert.Equal(2, two.Length);
        Assert.Equal(one.Select(Ids), two.Select(Ids));

        static string Ids(JsonElement row) => row.GetProperty("ids").ToString();
    }

    [SkippableFact]
    public async Task Generate_UnderMpirun_WritesOnceWhatOneWrites()
    {
        string[] command = ["generate", Data.Fixture("llama"), "--ids", "5,17,200", "-n", "12", "--ignore-eos"];
        var one = (await Run.Of(command)).Ok().Output;
        var four = (await Job("mpirun", [.. Mpirun, "-np", "4", "dotnet", Program, .. command, "--tp", "4"])).Ok().Output;
        Assert.Equal(one, four.ReplaceLineEndings("\n"));
    }

    [SkippableFact]
    public async Task Generate_PretrainedModelOnTwoRanks_WritesTheRecordedStory()
    {
        var folder = Data.Shared("stories260K");
        var run = (await Job("dotnet", [Program, "generate", Path.Combine(folder, "hf"), "--prompt", "Once upon a time", "-n", "64", "--tp", "2"])).Ok();
        Assert.Equal(File.ReadAllText(Path.Combine(folder, "expected_text.txt")).TrimEnd('\n'), run.Output.ReplaceLineEndings("\n").TrimEnd('\n'));
    }

    [SkippableFact]
    public async Task Verify_OnTwoRanks_WritesEveryRowAndFailsOnce()
    {
        string[] command = ["verify", Data.Fixture("llama"), "--golden", Data.Fixture("llama-fp16", "golden.safetensors"), "--rtol", "0", "--atol", "1e-6"];
        var one = await Run.Of(command);
        var two = await Job("dotnet", [Program, .. command, "--tp", "2"]);
        two.Refused(1, "'hidden.0'");
        Assert.Equal(one.Json.Select(Name), two.Json.Select(Name));

        static string? Name(JsonElement row) => row.GetProperty("name").GetString();
    }

    [SkippableFact]
    public async Task ImpossibleDegree_IsRefusedByLayerWidthAndDegree() =>
        (await Job("dotnet", [Program, "generate", Data.Fixture("llama"), "--ids", "5", "--tp", "3"])).Refused(2, "GatedMlp.Gate", "160 features", "3 ranks");

    [SkippableFact]
    public async Task RankWithUnusableInput_EndsTheJobWithItsMessage()
    {
        string[] Rank(string folder) => ["-np", "1", "dotnet", Program, "generate", folder, "--ids", "5", "--tp", "2"];
        var run = await Job("mpirun", [.. Mpirun, .. Rank(Data.Fixture("llama")), ":", .. Rank("no-such-folder")]);
        Assert.Equal(2, run.Code);
        Assert.Contains("rank 1: ", run.Error);
        Assert.Contains("no-such-folder", run.Error);
        Assert.Equal("", run.Output);
    }

    [SkippableFact]
    public async Task RankThatIsKilled_EndsTheJob()
    {
        // Its first breath is enough: the others wait for it from the moment they join.
        var run = await Job("dotnet", [Program, "generate", Data.Fixture("llama"), "--ids", "5", "-n", "100", "--ignore-eos", "--tp", "2"], KillRank);
        run.Refused(137, "signal 9");

        static async Task KillRank(int starter)
        {
            for (var waited = Stopwatch.StartNew(); waited.Elapsed < Limit; await Task.Delay(20))
            {
                if (RankOf(starter, "1") is not { } rank)
                    continue;
                rank.Kill();
                return;
            }
        }
    }

    private static string[] Mpirun => ["--quiet", "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1", .. Environment.IsPrivilegedProcess ? ["--allow-run-as-root"] : Array.Empty<string>()];

    /// <summary>A rank of the job that a process has started: mpirun's child with that number in its environment.</summary>
    private static Process? RankOf(int starter, string rank)
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc").Where(folder => int.TryParse(Path.GetFileName(folder), out _)))
        {
            try
            {
                if (File.ReadAllText(Path.Combine(folder, "environ")).Split('\0').Contains($"OMPI_COMM_WORLD_RANK={rank}")
                    && Parent(Parent(int.Parse(Path.GetFileName(folder)))) == starter)
                    return Process.GetProcessById(int.Parse(Path.GetFileName(folder)));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
            {
                // It has ended, or is somebody else's.
            }
        }

        return null;

        static int Parent(int process) => int.Parse(File.ReadLines($"/proc/{process}/status").First(line => line.StartsWith("PPid:", StringComparison.Ordinal))[5..]);
    }

    /// <summary>Runs a program to its end.</summary>
    private static async Task<Run> Job(string program, string[] arguments, Func<int, Task>? meanwhile = null)
    {
        RankProcess.Require("mpirun");
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment["TERM"] = "dumb"; // mpirun gives ranks a terminal, to which .NET would write control sequences
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            if (meanwhile is not null)
                await meanwhile(process.Id);
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"The job did not end within {Limit}: {await error}");
        }

        return new Run(process.ExitCode, await output, await error);
    }
}
