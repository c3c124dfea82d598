using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using Generated.Kernels;
using Generated.Native;
using Generated.Parallel.Mpi;
using Generated.Parallel.Nccl;
using TorchSharp;

namespace Generated.Parallel;

/// <summary>
/// Makes a program a job of several ranks. In Main:
/// <code>
/// if (Launch.Ranks(n, args) is { } exitCode) return exitCode;   // this process was the starter
/// return Launch.Run("cpu", group => { ...; return 0; });        // this process is a rank
/// </code>
/// </summary>
public static class Launch
{
    internal const string MpirunVariable = "GENERATED_MPIRUN";

    /// <summary>
    /// Starts this program again as <paramref name="count"/> ranks under mpirun and waits for them, unless it is a rank already.
    /// </summary>
    /// <param name="count">Number of ranks.</param>
    /// <param name="args">The program's arguments, passed on.</param>
    /// <param name="report">Gets each message with which ranks have failed; null writes them to standard error.</param>
    /// <returns>The job's exit code, or null if this process is to do the work: it is a rank of a job of that size, or one rank is enough.</returns>
    /// <exception cref="InvalidInputException">mpirun is missing, or the program runs under a launcher with another number of ranks.</exception>
    public static int? Ranks(int count, IReadOnlyList<string> args, Action<string>? report = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var environment = RankEnvironment.Current;
        if (environment.Launcher != Launcher.None)
            return environment.Size == count
                ? null
                : throw new InvalidInputException($"The launcher has started {environment.Size} rank(s), but {count} are asked for; make the two numbers equal.");
        if (count == 1)
            return null;
        var mpirun = FindMpirun();
        var start = new ProcessStartInfo(mpirun.Path) { UseShellExecute = false };
        foreach (var argument in Arguments(mpirun.IsOpenMpi, count).Concat(Program()).Concat(args))
            start.ArgumentList.Add(argument);
        // The same number in every rank, before libgomp reads it: threads of all ranks together use each core once.
        if (Environment.GetEnvironmentVariable("OMP_NUM_THREADS") is null)
            start.Environment["OMP_NUM_THREADS"] = Math.Max(1, Environment.ProcessorCount / count).ToString(CultureInfo.InvariantCulture);
        return FailureReport.Collect(start.Environment, () => WaitFor(start), report ?? Console.Error.WriteLine);
    }

    /// <summary>
    /// Runs a rank's work: joins the job, sets the number of threads, and makes sure that a failure ends the whole job with its message.
    /// </summary>
    /// <param name="device">"cpu", or "cuda" for a GPU per rank.</param>
    /// <param name="work">Gets the group of all ranks; returns the exit code.</param>
    /// <returns>The exit code; a rank that returns another than 0 ends the job with it.</returns>
    public static int Run(string device, Func<ICollective, int> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        ICollective? group = null;
        try
        {
            group = Join(device);
            var code = work(group);
            // A rank that ends with an error has failed: the others may be waiting for it.
            if (code != 0 && group.Size > 1)
                group.Abort(code, $"ended with exit code {code}.");
            group.Dispose();
            return code;
        }
        catch (Exception e)
        {
            var code = e is InvalidInputException ? 2 : 1;
            var message = e switch
            {
                GeneratedException => e.Message,
                OperationCanceledException => FailureReport.Cancelled,
                _ => e.ToString(),
            };
            if (group is { Size: > 1 })
                group.Abort(code, message);
            else if (RankEnvironment.Current.Size > 1)
                FailureReport.Write(message);
            else
                Console.Error.WriteLine(message);
            return code;
        }
    }

    /// <summary>
    /// Joins the job: the group of all ranks under mpirun or srun, or a group of one. Sets libtorch's number of threads so that
    /// the ranks of a machine do not oversubscribe its cores (unless OMP_NUM_THREADS is set). With "cuda" each rank gets a GPU
    /// of its own, which it sees as cuda:0; for that, call this before the first use of TorchSharp.
    /// </summary>
    /// <param name="device">"cpu", or "cuda" for a GPU per rank.</param>
    /// <exception cref="InvalidInputException">There is no such device, or no MPI or NCCL library, or there are fewer GPUs than ranks.</exception>
    public static ICollective Join(string device = "cpu")
    {
        var environment = RankEnvironment.Current;
        if (environment.Launcher == Launcher.None || environment.Size == 1)
            return new SingleCollective(Devices.Parse(device));
        ArgumentNullException.ThrowIfNull(device);
        var onGpu = device.StartsWith("cuda", StringComparison.OrdinalIgnoreCase);
        if (onGpu)
            VisibleDevices.ChooseFor(environment);
        var world = MpiCollective.World();
        if (onGpu)
        {
            LibTorch.EnsureLoaded();
            VisibleDevices.Require(world, torch.cuda.is_available());
        }

        var own = Devices.Parse(onGpu ? "cuda" : device);
        if (Environment.GetEnvironmentVariable("OMP_NUM_THREADS") is null)
        {
            torch.set_num_threads(environment.ThreadsPerRank);
            ThreadTeam.Shared.Resize(environment.ThreadsPerRank);
        }

        return onGpu ? NcclCollective.Connect(world, own) : world;
    }

    /// <summary>mpirun's arguments before the program.</summary>
    internal static IEnumerable<string> Arguments(bool openMpi, int count)
    {
        yield return "-np";
        yield return count.ToString(CultureInfo.InvariantCulture);
        if (!openMpi)
            yield break;
        // The ranks' own messages say what happened.
        yield return "--quiet";
        // mpirun would give each rank one core, and with it one thread.
        yield return "--bind-to";
        yield return "none";
        // mpirun gives ranks a terminal, to which .NET would write control sequences.
        yield return "-x";
        yield return "TERM=dumb";
        if (count > Environment.ProcessorCount)
        {
            yield return "--oversubscribe";
            yield return "--mca";
            yield return "mpi_yield_when_idle";
            yield return "1";
        }
        if (Environment.IsPrivilegedProcess)
            yield return "--allow-run-as-root";
    }

    /// <summary>How this program was started: "app", or "dotnet app.dll".</summary>
    private static IEnumerable<string> Program()
    {
        var process = Environment.ProcessPath ?? throw new InvalidInputException("This program does not know its own path; start it by mpirun.");
        yield return process;
        if (Path.GetFileNameWithoutExtension(process) == "dotnet")
            yield return Environment.GetCommandLineArgs()[0] is var dll && File.Exists(dll) ? Path.GetFullPath(dll) : Assembly.GetEntryAssembly()!.Location;
    }

    private static (string Path, bool IsOpenMpi) FindMpirun()
    {
        var chosen = Environment.GetEnvironmentVariable(MpirunVariable);
        var name = string.IsNullOrEmpty(chosen) ? "mpirun" : chosen;
        try
        {
            using var version = Process.Start(new ProcessStartInfo(name, "--version") { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
            var text = version.StandardOutput.ReadToEnd();
            version.WaitForExit();
            return (name, text.Contains("Open MPI", StringComparison.Ordinal) || text.Contains("OpenRTE", StringComparison.Ordinal));
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new InvalidInputException($"Several ranks need '{name}', which cannot be started: {e.Message}; install it (apt-get install openmpi-bin) or set {MpirunVariable} to its path.", e);
        }
    }

    private static int WaitFor(ProcessStartInfo start)
    {
        using var process = Process.Start(start)!;
        // Ctrl+C reaches mpirun too, which ends its ranks; other signals are for us to pass on.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = true);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
        {
            context.Cancel = true;
            Libc.Terminate(process.Id);
        });
        process.WaitForExit();
        return process.ExitCode;
    }
}
