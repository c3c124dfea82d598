using System.Globalization;
using Generated.Native;
using Generated.Parallel;
using Generated.Parallel.Mpi;
using Generated.Parallel.Nccl;
using TorchSharp;
using static TorchSharp.torch;

// The program that integration tests run as processes: RankApp <case> [ranks] [device], or RankApp families <ranks> <fixtures> [device].
var test = args[0];
var ranks = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 1;
try
{
    if (test == "library")
    {
        Console.WriteLine(LibTorch.LibraryPath);
        Console.WriteLine(LibTorch.Folder);
        return 0;
    }
    if (test == "use")
    {
        // TorchSharp first: what it reports when the library cannot be loaded.
        using var x = ones(3);
        Console.WriteLine(x.sum().item<float>());
        return 0;
    }
    if (test == "memory")
    {
        Console.WriteLine(FreedBytesKept());
        return 0;
    }
    if (Launch.Ranks(ranks, args) is { } exitCode)
        return exitCode;
}
catch (Generated.InvalidInputException e)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}
return Launch.Run(args.ElementAtOrDefault(test == "families" ? 3 : 2) ?? "cpu", world => test switch
{
    "contract" => Do(() => CollectiveContract.Check(world)),
    // NCCL itself with as many ranks as there are, even one.
    "nccl" => Do(() => CollectiveContract.Check(world is NcclCollective ? world : NcclCollective.Connect(world, world.Device))),
    "mlp" => Do(() => ParallelMlp.Check(world)),
    "where" => Do(() => Console.WriteLine($"rank {world.Rank} of {world.Size}, {get_num_threads()} thread(s), {(world as MpiCollective)?.Description}")),
    "throw" => Throw(world, new InvalidOperationException("the disk is on fire")),
    "unusable" => Throw(world, new Generated.InvalidInputException("config.json: hidden_size is missing")),
    "hang" => Hang(world),
    "null" => NullReference(world),
    "families" => Do(() => FamilyParity.Check(world, args[2])),
    "mesh" => Do(() => MeshSums(world)),
    _ => throw new Generated.InvalidInputException($"no case {test}"),
});

// How much of a freed 64 MB tensor stays in the process.
static long FreedBytesKept()
{
    ones(1 << 10).Dispose();
    using var process = System.Diagnostics.Process.GetCurrentProcess();
    var before = process.WorkingSet64;
    ones(16 << 20).Dispose();
    process.Refresh();
    return process.WorkingSet64 - before;
}

static int Do(Action action)
{
    action();
    return 0;
}

static int Throw(ICollective world, Exception e)
{
    if (world.Rank == 1)
        throw e;
    world.Barrier();
    return 0;
}

static int Hang(ICollective world)
{
    if (world.Rank == 1)
        Thread.Sleep(TimeSpan.FromMinutes(5));
    world.Barrier();
    return 0;
}

static int NullReference(ICollective world)
{
    string? nothing = world.Size > 100 ? "" : null;
    try
    {
        return nothing!.Length;
    }
    catch (NullReferenceException)
    {
        world.Barrier();
        Console.WriteLine("caught");
        return 0;
    }
}

static void MeshSums(ICollective world)
{
    using var mesh = new Mesh(world, ("dp", world.Size / 2), ("tp", 2));
    using var x = full([1], world.Rank, ScalarType.Int64);
    using var y = x.clone();
    mesh.Group("tp").AllReduce(x);
    mesh.Group("dp").AllReduce(y);
    Console.WriteLine($"rank {world.Rank}: tp {x.item<long>()}, dp {y.item<long>()}");
}

/// <summary>A tensor-parallel MLP against the whole one, forward and backward.</summary>
internal static class ParallelMlp
{
    internal static void Check(ICollective group)
    {
        using var scope = NewDisposeScope();
        random.manual_seed(3);
        var x = randn(4, 8).requires_grad_();
        var w1 = randn(16, 8).requires_grad_();
        var w2 = randn(8, 16).requires_grad_();
        var y = nn.functional.linear(nn.functional.gelu(nn.functional.linear(x, w1)), w2);
        y.pow(2).sum().backward();

        var n = 16 / group.Size;
        var v1 = w1.detach().narrow(0, group.Rank * n, n).clone().requires_grad_();
        var v2 = w2.detach().narrow(1, group.Rank * n, n).clone().requires_grad_();
        var input = x.detach().clone().requires_grad_();
        var entered = CollectiveOps.CopyToTensorParallel(input, group);
        var left = CollectiveOps.ReduceFromTensorParallel(nn.functional.linear(nn.functional.gelu(nn.functional.linear(entered, v1)), v2), group);
        GradientNode.Backpropagate(left.pow(2).sum());
        Close(y.detach(), left.detach(), "output");
        Close(x.grad!, input.grad!, "input gradient");
        Close(w1.grad!.narrow(0, group.Rank * n, n), v1.grad!, "first weight gradient");
        Close(w2.grad!.narrow(1, group.Rank * n, n), v2.grad!, "second weight gradient");
    }

    private static void Close(Tensor expected, Tensor actual, string what)
    {
        var error = (expected - actual).abs().max().item<float>() / expected.abs().max().item<float>();
        if (!(error < 1e-5f))
            throw new InvalidOperationException($"{what} differs by {error}");
    }
}
