using Generated.Parallel;
using TorchSharp;
using static TorchSharp.torch;

/// <summary>What every <see cref="ICollective"/> must do, against values computed by hand; used with threads and with MPI.</summary>
internal static class CollectiveContract
{
    internal static void Check(ICollective group)
    {
        var (rank, n) = (group.Rank, group.Size);
        foreach (var type in new[] { ScalarType.Float32, ScalarType.Float64, ScalarType.Int32, ScalarType.Int64, ScalarType.BFloat16, ScalarType.Float16 })
            Reductions(group, type);
        Gathers(group, rank, n);
        Bytes(group, rank, n);
        if (n > 1)
            Transfers(group, rank, n);
        Splits(group, rank, n);
        group.Barrier();
    }

    private static void Reductions(ICollective group, ScalarType type)
    {
        var (rank, n) = (group.Rank, group.Size);
        // Small integers: exact in every type, in any order.
        using (var x = (arange(10, device: group.Device) + rank).to(type))
        {
            group.AllReduce(x);
            Equal(Enumerable.Range(0, 10).Select(i => (double)(n * i + n * (n - 1) / 2)), x, $"sum of {type}");
        }
        using (var x = (arange(10, device: group.Device) * (rank % 2 == 0 ? 1 : -1) + rank).to(type))
        {
            group.AllReduce(x, Reduction.Max);
            Equal(Enumerable.Range(0, 10).Select(i => Enumerable.Range(0, n).Max(r => (r % 2 == 0 ? i : -i) + (double)r)), x, $"max of {type}");
        }
        if (type is ScalarType.Float32 or ScalarType.BFloat16)
        {
            using var x = full([3], (double)(rank * 2), type, group.Device);
            group.AllReduceAsync(x, Reduction.Average).Wait();
            Equal(Enumerable.Repeat((double)(n - 1), 3), x, $"average of {type}");
        }
        using (var whole = (arange(2 * n, device: group.Device) + rank).to(type))
        using (var mine = zeros([2], type, group.Device))
        {
            group.ReduceScatter(whole, mine);
            Equal([n * (2 * rank) + n * (n - 1) / 2, n * (2 * rank + 1) + n * (n - 1) / 2], mine, $"reduce-scatter of {type}");
        }
    }

    private static void Gathers(ICollective group, int rank, int n)
    {
        using (var mine = full([2, 3], rank, ScalarType.Int64, group.Device))
        using (var whole = zeros([2 * n, 3], ScalarType.Int64, group.Device))
        {
            group.AllGather(mine, whole);
            Equal(Enumerable.Range(0, n).SelectMany(r => Enumerable.Repeat((double)r, 6)), whole, "all-gather");
        }
        // A view with an offset: the address must be the view's.
        using (var storage = arange(12, ScalarType.Float32, group.Device))
        using (var view = storage.narrow(0, 4, 4))
        {
            group.AllReduce(view);
            Equal(Enumerable.Range(0, 12).Select(i => i is >= 4 and < 8 ? (double)i * n : i), storage, "all-reduce of a view");
        }
        using (var send = arange(n, ScalarType.Int32, group.Device) + 100 * rank)
        using (var receive = zeros([n], ScalarType.Int32, group.Device))
        {
            group.AllToAll(send, receive);
            Equal(Enumerable.Range(0, n).Select(r => (double)(100 * r + rank)), receive, "all-to-all");
        }
        using (var x = full([5], rank, ScalarType.BFloat16, group.Device))
        {
            group.Broadcast(x, n - 1);
            Equal(Enumerable.Repeat((double)(n - 1), 5), x, "broadcast");
        }
        // More than one chunk of a transfer.
        using (var large = full([5_000_000], rank + 1, ScalarType.Float32, group.Device))
        {
            group.AllReduce(large);
            using var same = large.eq(n * (n + 1) / 2).all();
            if (!same.item<bool>())
                throw new InvalidOperationException("A large all-reduce is wrong.");
        }
    }

    private static void Bytes(ICollective group, int rank, int n)
    {
        var sent = "{\"step\": 7}"u8.ToArray();
        if (!group.BroadcastBytes(rank == 0 ? sent : null, 0).AsSpan().SequenceEqual(sent))
            throw new InvalidOperationException("BroadcastBytes is wrong.");
        var all = group.AllGatherBytes([.. Enumerable.Repeat((byte)rank, rank)]);
        for (var r = 0; r < n; r++)
            if (all[r].Length != r || all[r].Any(b => b != r))
                throw new InvalidOperationException("AllGatherBytes is wrong.");
    }

    private static void Transfers(ICollective group, int rank, int n)
    {
        var (next, previous) = ((rank + 1) % n, (rank + n - 1) % n);
        using var mine = full([3], rank, ScalarType.Float32, group.Device);
        using var got = zeros([3], ScalarType.Float32, group.Device);
        var receive = group.ReceiveAsync(got, previous, tag: 5);
        var send = group.SendAsync(mine, next, tag: 5);
        send.Wait();
        receive.Wait();
        Equal(Enumerable.Repeat((double)previous, 3), got, "ring");
        using var half = full([4], rank, ScalarType.Float16, group.Device);
        if (rank == 0)
            group.Send(half, 1, 9);
        if (rank == 1)
        {
            group.Receive(half, 0, 9);
            Equal(Enumerable.Repeat(0.0, 4), half, "receive");
        }
    }

    private static void Splits(ICollective group, int rank, int n)
    {
        // Even and odd ranks, each in reverse order.
        using var part = group.Split(rank % 2, -rank);
        var members = Enumerable.Range(0, n).Where(r => r % 2 == rank % 2).Reverse().ToArray();
        if (part.Size != members.Length || members[part.Rank] != rank)
            throw new InvalidOperationException($"Split gave rank {rank} of {n} the place {part.Rank} of {part.Size}.");
        using var x = full([1], rank, ScalarType.Int64, group.Device);
        part.AllReduce(x);
        Equal([members.Sum()], x, "sum over a part");
    }

    internal static void Equal(IEnumerable<double> expected, Tensor actual, string what)
    {
        using var flat = actual.cpu().to(ScalarType.Float64).reshape(-1);
        var wanted = expected.ToArray();
        var found = flat.data<double>().ToArray();
        if (!wanted.AsSpan().SequenceEqual(found))
            throw new InvalidOperationException($"{what}: expected [{string.Join(", ", wanted)}], found [{string.Join(", ", found)}].");
    }
}
