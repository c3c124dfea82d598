using System.Globalization;

namespace Generated.Parallel;

/// <summary>
/// Ends the job when a blocking call lasts too long: MPI itself waits forever for a rank that does not come.
/// The limit is <c>GENERATED_COLLECTIVE_TIMEOUT</c> in seconds (1800 if unset, 0 for none).
/// </summary>
internal sealed class Watchdog : IDisposable
{
    internal const string Variable = "GENERATED_COLLECTIVE_TIMEOUT";
    private readonly List<Slot> slots = [];
    private readonly Action<string> expired;
    private readonly long limit;
    private readonly Timer? timer;

    /// <param name="limit">Longest duration of a call; zero for no limit.</param>
    /// <param name="expired">Ends the job; gets the reason. Runs on another thread than the call.</param>
    internal Watchdog(TimeSpan limit, Action<string> expired)
    {
        this.expired = expired;
        this.limit = (long)limit.TotalMilliseconds;
        if (this.limit > 0)
        {
            var period = TimeSpan.FromMilliseconds(Math.Clamp(this.limit / 4, 50, 1000));
            timer = new Timer(_ => Check(), null, period, period);
        }
    }

    /// <summary>The limit that the environment asks for.</summary>
    /// <exception cref="InvalidInputException">The variable is not a number of seconds.</exception>
    internal static TimeSpan LimitFromEnvironment()
    {
        var text = Environment.GetEnvironmentVariable(Variable);
        if (string.IsNullOrEmpty(text))
            return TimeSpan.FromMinutes(30);
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds is >= 0 and < 1e9
            ? TimeSpan.FromSeconds(seconds)
            : throw new InvalidInputException($"{Variable}='{text}' is not a number of seconds.");
    }

    /// <summary>A place for the calls of one group, which come one at a time.</summary>
    internal Slot NewSlot()
    {
        var slot = new Slot();
        lock (slots)
            slots.Add(slot);
        return slot;
    }

    internal void Remove(Slot slot)
    {
        lock (slots)
            slots.Remove(slot);
    }

    public void Dispose() => timer?.Dispose();

    private void Check()
    {
        string? late = null;
        lock (slots)
        {
            foreach (var slot in slots)
                late ??= slot.LateAfter(limit);
        }
        if (late is not null)
            expired($"{late} has not ended within {limit / 1000.0:0.#} s: another rank has failed or is in another call. {Variable} sets the limit.");
    }

    internal sealed class Slot
    {
        private string call = "";
        private long started;

        /// <summary>Marks the beginning of a blocking call; dispose the result at its end.</summary>
        internal Watch Enter(string name)
        {
            call = name;
            Volatile.Write(ref started, Environment.TickCount64);
            return new(this);
        }

        internal string? LateAfter(long limit) =>
            Volatile.Read(ref started) is not 0 and var since && Environment.TickCount64 - since > limit ? call : null;

        internal readonly ref struct Watch(Slot owner)
        {
            public void Dispose() => Volatile.Write(ref owner.started, 0);
        }
    }
}
