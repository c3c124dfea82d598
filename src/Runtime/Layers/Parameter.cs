using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Layers;

/// <summary>
/// A weight in its final storage. It is allocated uninitialised when the model is built, and filled in place, so that a
/// model is never in memory twice. Where linears are fused it is a view of their common storage.
/// </summary>
public sealed class Parameter : IDisposable
{
    private Tensor _value;

    internal Parameter(BuildContext build, params ReadOnlySpan<long> shape)
        : this(build, build.Device, shape)
    {
    }

    private Parameter(BuildContext build, Device device, ReadOnlySpan<long> shape)
    {
        Check(shape);
        _value = empty(shape, build.Dtype, device).DetachFromDisposeScope();
        _value.requires_grad = build.Options.Trainable;
        Shape = shape.ToArray();
        build.Own(this);
    }

    /// <summary>Refuses what a config.json with absurd sizes asks for: products of such sizes wrap around or exceed any memory.</summary>
    private static void Check(ReadOnlySpan<long> shape)
    {
        var count = 1L;
        foreach (var size in shape)
        {
            if (size < 0 || (size > 0 && count > long.MaxValue / sizeof(double) / size))
                throw new InvalidInputException($"A weight cannot have the shape [{string.Join(", ", shape.ToArray())}]: a size is far too large.");
            count *= size;
        }
    }

    /// <summary>A weight that a layer put in another's place holds, of any type; the layer disposes of it.</summary>
    internal Parameter(Tensor value)
    {
        _value = value.DetachFromDisposeScope();
        Shape = value.shape;
    }

    /// <summary>The values; write into them in place under <c>no_grad</c>.</summary>
    public Tensor Value => _value;

    /// <summary>Shape of this rank's part.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Whether it takes gradients.</summary>
    public bool RequiresGrad
    {
        get => _value.requires_grad;
        set => _value.requires_grad = value;
    }

    /// <summary>Increases with every <see cref="Changed"/>: what is derived from the values and kept compares it.</summary>
    public int Version { get; private set; }

    /// <summary>Says that the values were written.</summary>
    public void Changed() => Version++;

    /// <summary>Whether the memory is freed.</summary>
    public bool IsDisposed => _value.IsInvalid;

    /// <summary>A matrix, which gets its memory later where the model is built so.</summary>
    internal static Parameter Matrix(BuildContext build, long rows, long columns) =>
        new(build, build.Options.DeferMatrices ? META : build.Device, [rows, columns]);

    /// <summary>Gives a weight that was built without memory its storage.</summary>
    internal void Allocate(Device device)
    {
        if (IsDisposed || _value.device_type != DeviceType.META || device.type == DeviceType.META)
            return;
        var (trainable, dtype) = (_value.requires_grad, _value.dtype);
        _value.Dispose();
        _value = empty([.. Shape], dtype, device).DetachFromDisposeScope();
        _value.requires_grad = trainable;
    }

    /// <summary>Replaces the still unwritten storage by a view of a larger one of equal type and shape.</summary>
    internal void MoveInto(Tensor view)
    {
        var trainable = _value.requires_grad;
        _value.Dispose();
        _value = view.detach().DetachFromDisposeScope();
        _value.requires_grad = trainable;
    }

    /// <inheritdoc/>
    public void Dispose() => _value.Dispose();
}
