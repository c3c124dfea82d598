namespace Generated.Quant.Qat;

/// <summary>
/// Says when the state of a training is written: every so many steps; or by time, when it has gone on for half a minute since the last
/// one, and for 20 times what writing that took, so that writing takes less than a twentieth of a training whatever the disk.
/// </summary>
/// <param name="steps">Steps between two; 0 for never, null for by time.</param>
/// <param name="time">The clock.</param>
internal sealed class SaveInterval(int? steps, TimeProvider time)
{
    /// <summary>Work that may be lost without harm.</summary>
    public static readonly TimeSpan Least = TimeSpan.FromSeconds(30);

    /// <summary>How many times longer than writing training goes on.</summary>
    public const int Times = 20;

    private long _since = time.GetTimestamp();
    private TimeSpan _wait = Least;

    /// <summary>Whether no state is written at all.</summary>
    public bool IsNever => steps == 0;

    /// <summary>Whether a state is written behind a step, counted from 1.</summary>
    public bool IsDue(long step) => steps is { } every ? every > 0 && step % every == 0 : time.GetElapsedTime(_since) >= _wait;

    /// <summary>Writes a state and notes what that takes.</summary>
    public void Time(Action write)
    {
        var begin = time.GetTimestamp();
        write();
        _since = time.GetTimestamp();
        _wait = TimeSpan.FromTicks(Math.Max(Least.Ticks, Times * time.GetElapsedTime(begin, _since).Ticks));
    }
}
