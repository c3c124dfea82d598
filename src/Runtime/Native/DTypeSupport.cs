using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Generated.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Native;

/// <summary>Whether passes run in a type on a device: asked once, before any weight gets memory.</summary>
internal static class DTypeSupport
{
    private static readonly ConcurrentDictionary<(ScalarType, DeviceType, int), string?> _problems = [];

    /// <summary>Types of weights and activations that passes run in on some device; float64 is for checks of gradients.</summary>
    internal static IReadOnlyList<ScalarType> Types { get; } = [ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float16, ScalarType.Float64];

    /// <summary>Checks that a device computes in a type.</summary>
    /// <param name="type">Type of weights and activations.</param>
    /// <param name="device">Where they are; <c>meta</c> computes nothing and takes every type.</param>
    /// <exception cref="InvalidInputException">No pass runs in it, or the device does not; the message names both and says what to use.</exception>
    internal static void Require(ScalarType type, Device device)
    {
        if (!Types.Contains(type))
            throw new InvalidInputException($"No pass runs in {Name(type)}: use {Join([.. Types.SkipLast(1)])}.");
        if (device.type == DeviceType.META)
            return;
        var index = Math.Max(device.index, 0);
        if (_problems.GetOrAdd((type, device.type, index), key => Problem(key.Item1, Capabilities(key.Item2, key.Item3), type => Compute(type, device))) is { } problem)
            throw new InvalidInputException(problem);
    }

    /// <summary>Why a device does not run passes in a type.</summary>
    /// <param name="type">The type.</param>
    /// <param name="device">What the device says of itself.</param>
    /// <param name="compute">Runs on it, in a type, what passes are made of.</param>
    /// <returns>A sentence, or null where it does.</returns>
    internal static string? Problem(ScalarType type, DeviceCapabilities device, Action<ScalarType> compute)
    {
        if (device.Compute is { } capability && Least(type) is var least && capability < least)
            return $"{device.Name} (compute capability {capability}) does not compute in {Name(type)}, which takes {least}: use {Join(Others(type, other => capability >= Least(other)))}.";
        return Missing(type) is { } missing
            ? $"{device.Name} does not compute in {Name(type)} with this libtorch, which says '{missing}': use {Join(Others(type, other => Missing(other) is null))}."
            : null;

        string? Missing(ScalarType of)
        {
            try
            {
                compute(of);
                return null;
            }
            catch (ExternalException e) when (e.Message.Contains("not implemented for", StringComparison.Ordinal) || e.Message.Contains("not supported", StringComparison.OrdinalIgnoreCase))
            {
                return e.Message.Split('\n', 2)[0].TrimEnd('\r', '.');
            }
        }
    }

    /// <summary>The kinds of operators that passes are made of, on a few numbers.</summary>
    internal static void Compute(ScalarType type, Device device)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var table = ones(8, 8, dtype: type, device: device);
        using var ids = tensor(new long[] { 1, 3 }, device: device);
        var x = table.index_select(0, ids);
        var weight = ones(8, dtype: type, device: device);
        var normed = nn.functional.layer_norm(x, [8], weight, weight, 1e-5) + (x * x.Squared().mean([-1], keepdim: true).rsqrt());
        var hidden = nn.functional.gelu(nn.functional.linear(normed, table, weight)) * nn.functional.silu(x);
        var heads = hidden.reshape(1, 2, 2, 4).transpose(1, 2);
        var attended = matmul(softmax(matmul(heads, heads.transpose(2, 3)), -1), heads);
        // Errors of CUDA kernels come when their result is read.
        using var result = cat([attended, heads], -1).sum().to(ScalarType.Float32).cpu();
        _ = result.item<float>();
    }

    private static DeviceCapabilities Capabilities(DeviceType type, int index)
    {
        if (type != DeviceType.CUDA)
            return new($"The {(type == DeviceType.CPU ? "CPU" : $"device '{type.ToString().ToLowerInvariant()}'")}", null);
        var (name, major, minor) = CudaDriver.Describe(index);
        return new(name, new Version(major, minor));
    }

    /// <summary>The least compute capability with arithmetic in a type (CUDA C++ Programming Guide, "Features and Technical Specifications").</summary>
    private static Version Least(ScalarType type) => type switch
    {
        ScalarType.BFloat16 => new(8, 0),
        ScalarType.Float16 => new(5, 3),
        _ => new(0, 0),
    };

    private static IReadOnlyList<ScalarType> Others(ScalarType type, Func<ScalarType, bool> works) => [.. Types.SkipLast(1).Where(other => other != type && works(other))];

    private static string Name(ScalarType type) => type.ToString().ToLowerInvariant();

    private static string Join(IReadOnlyList<ScalarType> types) => types.Count switch
    {
        0 => "another device",
        1 => Name(types[0]),
        _ => $"{string.Join(", ", types.SkipLast(1).Select(Name))} or {Name(types[^1])}",
    };
}

/// <summary>What a device says of itself.</summary>
/// <param name="Name">Its name, as a sentence begins with it.</param>
/// <param name="Compute">Compute capability of a CUDA device; null for other devices.</param>
internal sealed record DeviceCapabilities(string Name, Version? Compute);
