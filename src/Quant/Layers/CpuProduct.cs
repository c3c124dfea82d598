using Generated.Kernels;
using Generated.Layers;
using Generated.Native;
using Generated.Quant.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Layers;

/// <summary>
/// Products on the CPU by the packed kernels; 8-bit inputs go through exact integers. Where the kernels have no wide vectors, many rows
/// are multiplied by libtorch in float32 with the weight dequantized tile by tile, which costs a few percent of the product.
/// </summary>
internal sealed unsafe class CpuProduct : WeightProduct
{
    /// <summary>Above this dequantizing and a matrix-matrix product is faster than portable kernels.</summary>
    private const int MostPortableRows = 8;

    private readonly PackedMatrix _matrix;
    private readonly PackedInt8Matrix? _integers;
    private readonly InputStep _input;
    private readonly long _tileBytes;
    private readonly KernelPath _path;

    /// <param name="matrix">The packed weight; this disposes of it.</param>
    /// <param name="input">What is done to the input first; the caller's.</param>
    /// <param name="tileBytes">Most bytes of dequantized weights at a time.</param>
    /// <param name="path">Which kernels run.</param>
    public CpuProduct(PackedMatrix matrix, InputStep input, long tileBytes = 32L << 20, KernelPath? path = null)
    {
        _path = path ?? Cpu.Path;
        _matrix = matrix;
        _input = input;
        _tileBytes = tileBytes;
        // Exact integers need one scale per output; with groups or zero points the rounded input takes the weight-only path.
        _integers = input.Activations is not null && matrix is PackedInt8Matrix { Groups: 1, IsSymmetric: true } integers ? integers : null;
    }

    public override long Bytes => _matrix.Bytes;

    public override Tensor Multiply(Tensor x, Tensor? bias)
    {
        var rows = RowLayout.Rows(x);
        if (rows > MostPortableRows && _integers is null && _path == KernelPath.Portable)
            return MultiplyMany(x, bias);
        var isOwn = NeedsCopy(x);
        var input = isOwn ? Prepared(x) : x;
        var y = RowLayout.NewRows(x, _matrix.OutWidth);
        float* from = RowLayout.Floats(input), shift = bias is null ? null : RowLayout.Floats(bias), to = RowLayout.Floats(y);
        if (_integers is null)
            _matrix.Multiply(_path, from, shift, to, rows, ThreadTeam.Shared);
        else if (_input.IsShared)
        {
            using var scales = _input.TokenScales(input);
            _integers.MultiplyInt8(from, shift, to, rows, RowLayout.Floats(scales));
        }
        else
            _integers.MultiplyInt8(from, shift, to, rows, _input.Scale);
        GC.KeepAlive(x);
        GC.KeepAlive(bias);
        if (isOwn)
            input.Dispose();
        return Narrow(y, x.dtype);
    }

    public override Tensor Dequantize()
    {
        var weight = empty([_matrix.OutWidth, _matrix.InWidth], ScalarType.Float32);
        _matrix.Dequantize(RowLayout.Floats(weight), 0, _matrix.OutWidth);
        return weight;
    }

    public override void Dispose() => _matrix.Dispose();

    private bool NeedsCopy(Tensor x) => x.dtype != ScalarType.Float32 || !x.is_contiguous() || _input.HasTransform || (_input.Activations is not null && _integers is null);

    /// <summary>The rows in float32, transformed, and rounded where no kernel does that.</summary>
    private Tensor Prepared(Tensor x)
    {
        var rows = CpuSteps.CanRun(x) ? CpuSteps.WideCopy(x) : Contiguous(x);
        if (_input.HasTransform || _input.Activations is not null)
            _input.Apply(rows, round: _input.Activations is not null && _integers is null);
        return rows;
    }

    private Tensor MultiplyMany(Tensor x, Tensor? bias)
    {
        using var input = NeedsCopy(x) ? Prepared(x) : x.alias();
        var tile = (int)Math.Clamp(_tileBytes / (_matrix.InWidth * sizeof(float)), 1, _matrix.OutWidth);
        using var weight = empty([tile, _matrix.InWidth], ScalarType.Float32);
        if (tile == _matrix.OutWidth)
            return Narrow(Tile(input, weight, bias, 0, tile), x.dtype);
        var parts = new List<Tensor>();
        try
        {
            for (var start = 0; start < _matrix.OutWidth; start += tile)
                parts.Add(Tile(input, weight, bias, start, Math.Min(tile, _matrix.OutWidth - start)));
            return Narrow(cat(parts, -1), x.dtype);
        }
        finally
        {
            parts.ForEach(p => p.Dispose());
        }
    }

    private Tensor Tile(Tensor x, Tensor weight, Tensor? bias, int start, int count)
    {
        _matrix.Dequantize(RowLayout.Floats(weight), start, count);
        using var rows = weight.narrow(0, 0, count);
        using var part = bias?.narrow(0, start, count);
        return nn.functional.linear(x, rows, part);
    }

    private static Tensor Contiguous(Tensor x)
    {
        using var wide = x.to(ScalarType.Float32, copy: true);
        return wide.contiguous();
    }

    private static Tensor Narrow(Tensor y, ScalarType dtype)
    {
        if (dtype == ScalarType.Float32)
            return y;
        using (y)
            return y.to(dtype);
    }
}
