namespace Generated.Cli;

/// <summary>Runs a command's work beside the thread that waits for Ctrl-C, which otherwise could not be heard.</summary>
internal static class OffThread
{
    /// <summary>Runs the work on one thread of its own: libtorch keeps a team of threads for every thread that calls it.</summary>
    public static Task<int> Run(Func<int> work) => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
