using System.Globalization;
using Generated.Native;

namespace Generated.Parallel;

/// <summary>One GPU per rank: each process sees its own as cuda:0, since TorchSharp cannot choose a device for a thread.</summary>
internal static class VisibleDevices
{
    internal const string Variable = "CUDA_VISIBLE_DEVICES";

    /// <summary>Leaves this process its GPU. Must come before CUDA starts, which is when libtorch first asks for it.</summary>
    internal static void ChooseFor(RankEnvironment environment)
    {
        if (Choose(Environment.GetEnvironmentVariable(Variable), environment) is { } chosen)
            Libc.SetEnvironment(Variable, chosen);
    }

    /// <summary>
    /// The variable's value for a rank, or null to leave it: where the launcher has bound one GPU to each rank, and where the rank is alone on its machine.
    /// </summary>
    /// <exception cref="InvalidInputException">There are fewer GPUs than ranks.</exception>
    internal static string? Choose(string? visible, RankEnvironment environment)
    {
        if (environment.LocalSize <= 1)
            return null;
        if (visible is null)
            return environment.LocalRank.ToString(CultureInfo.InvariantCulture);
        var devices = visible.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (devices.Length == 1)
            return null;
        return environment.LocalRank < devices.Length
            ? devices[environment.LocalRank]
            : throw new InvalidInputException($"Rank {environment.Rank} has no GPU of its own: {Variable}={visible} names {devices.Length} for {environment.LocalSize} ranks; start fewer ranks or name more.");
    }

    /// <summary>
    /// Fails on all ranks where some have a GPU and others none. Where none has one, the reason is another, which the device's name is refused with.
    /// </summary>
    /// <exception cref="InvalidInputException">There are fewer GPUs than ranks.</exception>
    internal static void Require(ICollective world, bool hasGpu)
    {
        var having = world.AllGatherBytes([hasGpu ? (byte)1 : (byte)0]).Count(answer => answer[0] == 1);
        if (having > 0 && having < world.Size)
            throw new InvalidInputException($"Each rank needs a GPU of its own, but only {having} of {world.Size} ranks have one; start {having} rank(s), or more GPUs have to be visible ({Variable}).");
    }
}
