using Generated.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Kernels.Cuda;

/// <summary>A packed weight on a CUDA device as <see cref="LowBitKernels"/> takes it.</summary>
internal sealed unsafe class TiledWeight : IDisposable
{
    private readonly Tensor _codes;
    private readonly Tensor _scales;

    private TiledWeight(PackedMatrix matrix, Tensor codes, Tensor scales, Tensor? order)
    {
        (Bits, OutWidth, InWidth, GroupSize, Groups) = (matrix.Bits, matrix.OutWidth, matrix.InWidth, matrix.GroupSize, matrix.Groups);
        (GroupsPerTile, HasWideScales) = (TileLayout.GroupsPerTile(matrix), !matrix.Storage.HalfScales);
        (_codes, _scales, Order) = (codes, scales, order);
        Argument = new WeightArgument { Codes = TorchSharpExports.Address(codes), Scales = TorchSharpExports.Address(scales), OutWidth = matrix.OutWidth };
    }

    public int Bits { get; }

    public int OutWidth { get; }

    public int InWidth { get; }

    public int GroupSize { get; }

    public int Groups { get; }

    /// <summary>Groups that a tile's columns may lie in; 0 where each output has one scale and no zero point.</summary>
    public int GroupsPerTile { get; }

    /// <summary>Whether scales are float32 rather than float16.</summary>
    public bool HasWideScales { get; }

    /// <summary>Which input each column takes, int64 [in]; null where columns are in order.</summary>
    public Tensor? Order { get; }

    public long Bytes => _codes.numel() * _codes.ElementSize + _scales.numel() * _scales.ElementSize + (Order?.numel() * Order?.ElementSize ?? 0);

    /// <summary>The weight as an argument of a kernel, without a bias. It holds addresses: keep this alive.</summary>
    public WeightArgument Argument { get; }

    /// <summary>Copies a matrix to a device.</summary>
    public static TiledWeight Of(PackedMatrix matrix, Device device)
    {
        using var host = zeros([(long)TileLayout.TileRows(matrix.OutWidth) * TileLayout.TilesPerRow(matrix.Bits, matrix.InWidth) * TileLayout.Bytes], ScalarType.Byte);
        TileLayout.WriteCodes(matrix, (byte*)TorchSharpExports.Address(host));
        using var scales = tensor((int[])(object)TileLayout.Scales(matrix));
        var storage = matrix.Storage;
        using var order = storage.Order == null ? null : tensor(Array.ConvertAll(new ReadOnlySpan<int>(storage.Order, matrix.InWidth).ToArray(), k => (long)k));
        return new TiledWeight(matrix, OnDevice(host), OnDevice(scales), order is null ? null : OnDevice(order));

        Tensor OnDevice(Tensor x) => x.to(device, copy: true).DetachFromDisposeScope();
    }

    /// <summary>Whether one kernel can multiply an input with this and another weight.</summary>
    public bool GoesWith(TiledWeight other) =>
        (Bits, InWidth, GroupSize, GroupsPerTile, HasWideScales) == (other.Bits, other.InWidth, other.GroupSize, other.GroupsPerTile, other.HasWideScales)
        && Order is null == other.Order is null
        && (Order is null || Order.Equals(other.Order!));

    public void Dispose()
    {
        _codes.Dispose();
        _scales.Dispose();
        Order?.Dispose();
    }
}
