namespace Generated.Parallel;

/// <summary>
/// How a failing rank's message reaches the user. mpirun drops what a rank has just written when the job is aborted, so a
/// program started by <see cref="Launch.Ranks"/> leaves the message in a file that the starter prints; under a launcher
/// of the user's it goes to standard error, with a moment for the launcher to pass it on.
/// </summary>
internal static class FailureReport
{
    private const string Variable = "GENERATED_FAILURE_FILE";
    private static readonly TimeSpan Forwarding = TimeSpan.FromMilliseconds(300);

    /// <summary>Called by a rank just before it ends the job.</summary>
    internal static void Write(string message)
    {
        var line = $"rank {RankEnvironment.Current.Rank}: {message}{Environment.NewLine}";
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } file)
        {
            try
            {
                File.AppendAllText(file, line);
                return;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Standard error is left.
            }
        }
        Console.Error.Write(line);
        Console.Error.Flush();
        if (RankEnvironment.Current.Launcher != Launcher.None)
            Thread.Sleep(Forwarding);
    }

    /// <summary>Runs a job whose ranks report to a file, and prints what they reported.</summary>
    internal static int Collect(IDictionary<string, string?> environment, Func<int> job)
    {
        var file = Path.GetTempFileName();
        try
        {
            environment[Variable] = file;
            var code = job();
            Console.Error.Write(File.ReadAllText(file));
            return code;
        }
        finally
        {
            File.Delete(file);
        }
    }
}
