using System.Globalization;

namespace Generated.Cli;

/// <summary>Progress where nobody watches, such as in a log: a line now and then, each whole by itself.</summary>
/// <param name="error">Where the lines go; never where results go.</param>
/// <param name="title">What is done.</param>
/// <param name="time">The clock.</param>
internal sealed class ProgressLines(TextWriter error, string title, TimeProvider time)
{
    /// <summary>Short work gives no line, long work one in this time at most.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    private readonly long _start = time.GetTimestamp();
    private TimeSpan _shown;
    private (TimeSpan At, double Share)? _first;
    private string? _working;

    /// <summary>Told what is worked on from now on.</summary>
    public void Working(string what) => _working = what;

    /// <summary>Told the share done, from 0 to 1.</summary>
    public void Done(double share)
    {
        var now = time.GetElapsedTime(_start);
        // Work that goes on where it stopped begins with a share that took no time.
        _first ??= (now, share);
        if (share >= 1 || now - _shown < Interval)
            return;
        _shown = now;
        var left = share > _first.Value.Share ? ", " + Left((now - _first.Value.At) / (share - _first.Value.Share) * (1 - share)) + " left" : "";
        error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{title}: {100 * share:0} %{(_working is null ? "" : ", " + _working)}{left}"));
    }

    private static string Left(TimeSpan time)
    {
        var seconds = (long)Math.Round(time.TotalSeconds);
        return string.Create(CultureInfo.InvariantCulture, $"about {seconds / 3600}:{seconds / 60 % 60:00}:{seconds % 60:00}");
    }
}
