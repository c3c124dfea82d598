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
}
