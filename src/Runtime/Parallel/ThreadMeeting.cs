using static TorchSharp.torch;

namespace Generated.Parallel;

/// <summary>The threads of one <see cref="ThreadCollective"/> run: the first failure, and who has ended.</summary>
internal sealed class ThreadJob(TimeSpan timeout)
{
    private readonly HashSet<int> ended = [];
    private CollectiveException? failure;

    /// <summary>Guards all state of the job; ranks wait on it.</summary>
    internal object Gate { get; } = new();

    internal void End(int rank)
    {
        lock (Gate)
        {
            ended.Add(rank);
            Monitor.PulseAll(Gate);
        }
    }

    /// <summary>Records a rank's failure, unless it is only the echo of an earlier one.</summary>
    internal void Fail(int rank, Exception cause)
    {
        lock (Gate)
        {
            failure ??= new CollectiveException($"Rank {rank} failed: {cause.Message}", cause);
            ended.Add(rank);
            Monitor.PulseAll(Gate);
        }
    }

    internal void ThrowIfFailed()
    {
        lock (Gate)
        {
            if (failure is not null)
                throw new CollectiveException(failure.Message, failure.InnerException!);
        }
    }

    /// <summary>Waits, inside the gate, until <paramref name="done"/>, or throws what keeps it from ever being so.</summary>
    internal void WaitFor(Func<bool> done, int rank, string what, IReadOnlyList<int> others)
    {
        var deadline = Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        while (!done())
        {
            ThrowIfFailed();
            foreach (var other in others)
                if (other != rank && ended.Contains(other))
                    throw new CollectiveException($"Rank {other} has ended while rank {rank} waits for it in {what}.");
            var left = deadline - Environment.TickCount64;
            if (left <= 0)
                throw new CollectiveException($"Rank {rank} waited longer than {timeout.TotalSeconds:0.#} s in {what}.");
            Monitor.Wait(Gate, TimeSpan.FromMilliseconds(left));
        }
    }
}

/// <summary>Where the threads of one group meet: each brings something and sees what all have brought.</summary>
internal sealed class ThreadMeeting(ThreadJob job, int[] worldRanks)
{
    private readonly Dictionary<(int From, int To, int Tag), Queue<Tensor>> messages = [];
    private object?[] brought = new object?[worldRanks.Length];
    private string?[] calls = new string?[worldRanks.Length];
    private object?[] last = [];
    private int arrived;
    private long round;

    internal ThreadJob Job => job;

    internal int Size => worldRanks.Length;

    /// <summary>The group's ranks as ranks of the whole job.</summary>
    internal IReadOnlyList<int> WorldRanks => worldRanks;

    /// <summary>Waits until every rank of the group has come with the same call, and returns what each brought.</summary>
    internal object?[] Exchange(int rank, string call, object? mine)
    {
        lock (job.Gate)
        {
            job.ThrowIfFailed();
            brought[rank] = mine;
            calls[rank] = call;
            if (++arrived < Size)
            {
                var current = round;
                job.WaitFor(() => round != current, worldRanks[rank], call, worldRanks);
                return last;
            }
            for (var i = 0; i < Size; i++)
                if (calls[i] != call)
                    throw new CollectiveException($"Ranks disagree: rank {worldRanks[i]} is in {calls[i]}, rank {worldRanks[rank]} in {call}.");
            last = brought;
            brought = new object?[Size];
            calls = new string?[Size];
            arrived = 0;
            round++;
            Monitor.PulseAll(job.Gate);
            return last;
        }
    }

    internal void Post(int from, int to, int tag, Tensor message)
    {
        lock (job.Gate)
        {
            if (!messages.TryGetValue((from, to, tag), out var queue))
                messages.Add((from, to, tag), queue = new());
            queue.Enqueue(message);
            Monitor.PulseAll(job.Gate);
        }
    }

    internal Tensor Take(int from, int to, int tag)
    {
        lock (job.Gate)
        {
            Queue<Tensor>? queue = null;
            job.WaitFor(() => messages.TryGetValue((from, to, tag), out queue) && queue.Count > 0, worldRanks[to], $"Receive from rank {worldRanks[from]} (tag {tag})", [worldRanks[from]]);
            return queue!.Dequeue();
        }
    }
}
