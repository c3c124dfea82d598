using System.Text.Json;

namespace Generated.Parallel;

/// <summary>
/// How a failing rank's message reaches the user. mpirun drops what a rank has just written when the job is aborted, so a
/// program started by <see cref="Launch.Ranks"/> leaves the message in a file that the starter reports; under a launcher
/// of the user's it goes to standard error, with a moment for the launcher to pass it on.
/// </summary>
internal static class FailureReport
{
    /// <summary>The message of a rank that was told to stop.</summary>
    internal const string Cancelled = "Cancelled.";

    private const string Variable = "GENERATED_FAILURE_FILE";
    private const int LastSignal = 64;
    private static readonly TimeSpan Forwarding = TimeSpan.FromMilliseconds(300);

    /// <summary>Called by a rank just before it ends the job.</summary>
    internal static void Write(string message)
    {
        var rank = RankEnvironment.Current.Rank;
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } file)
        {
            try
            {
                File.AppendAllText(file, JsonSerializer.Serialize(new Entry(rank, message)) + "\n");
                return;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Standard error is left.
            }
        }

        Console.Error.WriteLine($"rank {rank}: {message}");
        Console.Error.Flush();
        if (RankEnvironment.Current.Launcher != Launcher.None)
            Thread.Sleep(Forwarding);
    }

    /// <summary>Runs a job whose ranks report to a file, and reports what they said: the same of several ranks once, without their numbers.</summary>
    internal static int Collect(IDictionary<string, string?> environment, Func<int> job, Action<string> report)
    {
        var file = Path.GetTempFileName();
        try
        {
            environment[Variable] = file;
            var code = job();
            var messages = Messages(File.ReadLines(file)).ToList();
            foreach (var message in messages)
                report(message);
            if (code != 0 && messages.Count == 0 && code > 2)
                report($"The job ended with exit code {code}{(code is > 128 and <= 128 + LastSignal ? $" (signal {code - 128})" : "")}, and no rank said why.");
            return code;
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>The lines that ranks have left, as messages. That ranks were stopped because one has failed is no news.</summary>
    internal static IEnumerable<string> Messages(IEnumerable<string> lines)
    {
        var entries = lines.Select(Parse).OfType<Entry>().ToList();
        if (entries.Exists(e => e.Message != Cancelled))
            entries.RemoveAll(e => e.Message == Cancelled);
        foreach (var same in entries.GroupBy(e => e.Message))
            yield return same.Select(e => e.Rank).Distinct().Count() > 1 ? same.Key : $"rank {same.First().Rank}: {same.Key}";
    }

    /// <summary>Null for a line whose writer was killed half-way.</summary>
    private static Entry? Parse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<Entry>(line);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private sealed record Entry(int Rank, string Message);
}
