using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>The loop of GPTQ over columns, in the order of quantization, on transposed weights: a column is a row of memory.</summary>
/// <param name="format">The format.</param>
/// <param name="options">Block size and the order's kind.</param>
/// <param name="rounding">How values between two codes are rounded.</param>
/// <param name="order">Columns in order of quantization; null for as they are.</param>
/// <param name="clip">[out, groups] by columns in order, or null.</param>
internal sealed class ColumnLoop(WeightFormat format, GptqOptions options, Rounding rounding, int[]? order, Tensor? clip)
{
    private const int ColumnsAtOnce = 1024;

    /// <summary>Codes [out, in], bytes, in the weight's own order, scales and zeros [out, groups], and each column's group if columns were reordered.</summary>
    /// <param name="weight">[out, in]; kept as it is.</param>
    /// <param name="upper">Upper factor of the inverse Hessian, in the order of quantization; its type and device are those of the loop.</param>
    public (Tensor Codes, Tensor Scale, Tensor? Zero, int[]? GroupIndex) Run(Tensor weight, Tensor upper)
    {
        using var scope = NewDisposeScope();
        var width = (int)weight.shape[1];
        var places = order is null ? null : tensor(order.Select(c => (long)c).ToArray(), device: weight.device);
        var columns = Columns(weight, places, upper);
        var groupSize = WeightGrid.GroupSize(format, width);
        var isGrouped = format.Per == Granularity.Group && groupSize < width;
        var isFixed = !isGrouped || (options.StaticGroups && order is not null);
        var limits = clip is null || isFixed ? null : clip.to(upper.device).to_type(upper.dtype).t();
        var grids = new GridList();
        if (isFixed)
            FitWhole(weight, upper, grids);
        var codes = empty_like(columns, ScalarType.Byte);
        foreach (var (start, end) in Blocks(width, isGrouped && !isFixed ? groupSize : 0))
        {
            using var blockScope = NewDisposeScope();
            var block = columns.narrow(0, start, end - start); // a view: updates within the block land in the weights
            var errors = empty_like(block);
            for (var i = 0; i < end - start; i++)
            {
                using var inner = NewDisposeScope();
                var column = start + i;
                if (!isFixed && column % groupSize == 0)
                    FitGroup(columns.narrow(0, column, Math.Min(groupSize, width - column)), limits, column, groupSize, grids);
                var (scale, zero) = grids[isFixed && order is not null ? order[column] / groupSize : column / groupSize];
                var values = block[i];
                var steps = Rounder.Round(values / scale, rounding);
                var code = (zero is null ? steps + (1 << (format.Bits - 1)) : steps + zero).clamp(0, (1 << format.Bits) - 1);
                codes.select(0, column).copy_(code);
                var loss = (values - (zero is null ? code - (1 << (format.Bits - 1)) : code - zero) * scale) / upper[column, column];
                errors[i] = loss;
                if (i + 1 < end - start)
                    block.narrow(0, i + 1, end - start - i - 1).addr_(upper[column].narrow(0, column + 1, end - column - 1), loss, alpha: -1);
            }

            for (var later = end; later < width; later += ColumnsAtOnce)
            {
                using var inner = NewDisposeScope();
                var count = Math.Min(ColumnsAtOnce, width - later);
                columns.narrow(0, later, count).sub_(upper.narrow(0, start, end - start).narrow(1, later, count).t().matmul(errors));
            }
        }

        columns.Dispose();
        if (order is not null)
        {
            var restored = empty_like(codes);
            restored.index_copy_(0, places!.to(codes.device), codes);
            codes = restored;
        }

        var (scales, zeros) = grids.ToTensors();
        int[]? groupIndex = null;
        if (!isFixed && order is not null)
        {
            groupIndex = new int[width];
            for (var i = 0; i < width; i++)
                groupIndex[order[i]] = i / groupSize;
        }

        return (codes.t().contiguous().MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope(), zeros?.MoveToOuterDisposeScope(), groupIndex);
    }

    /// <summary>
    /// Blocks of columns. A group never begins inside a block whose start lies in another group: when it begins, every update
    /// of its columns has been made.
    /// </summary>
    private IEnumerable<(int Start, int End)> Blocks(int width, int groupSize)
    {
        var size = groupSize > 0 && groupSize <= options.BlockSize ? options.BlockSize / groupSize * groupSize : options.BlockSize;
        for (var start = 0; start < width;)
        {
            var end = Math.Min(start + size, width);
            if (groupSize > options.BlockSize)
                end = Math.Min(end, (start / groupSize + 1) * groupSize);
            yield return (start, end);
            start = end;
        }
    }

    private void FitWhole(Tensor weight, Tensor like, GridList grids)
    {
        using var scope = NewDisposeScope();
        var wide = weight.to(like.device).to_type(like.dtype);
        var limit = clip?.to(like.device).to_type(like.dtype);
        using var grid = WeightGrid.Fit(wide, format, rounding, limit);
        for (var g = 0; g < grid.Scale.shape[1]; g++)
            grids.Add(grid.Scale.select(1, g).contiguous().MoveToOuterDisposeScope(), grid.Zero?.select(1, g).contiguous().MoveToOuterDisposeScope());
    }

    private void FitGroup(Tensor group, Tensor? limits, int start, int groupSize, GridList grids)
    {
        if (limits is not null)
        {
            // Limits are of groups of columns as they were.
            var groups = Enumerable.Range(start, (int)group.shape[0]).Select(c => (long)((order is null ? c : order[c]) / groupSize)).ToArray();
            var limit = limits.index_select(0, tensor(groups, device: limits.device));
            group = maximum(minimum(group, limit), limit.neg());
        }

        using var grid = WeightGrid.Fit(group.t(), format with { Per = Granularity.Channel }, rounding);
        grids.Add(grid.Scale.select(1, 0).clone().DetachFromDisposeScope(), grid.Zero?.select(1, 0).clone().DetachFromDisposeScope());
    }

    /// <summary>A copy of the weight that can be updated, [in, out] in the order of quantization, of the factor's type and on its device.</summary>
    private static Tensor Columns(Tensor weight, Tensor? places, Tensor like)
    {
        var columns = empty(weight.shape[1], weight.shape[0], dtype: like.dtype, device: like.device);
        for (var start = 0L; start < columns.shape[0]; start += ColumnsAtOnce)
        {
            using var scope = NewDisposeScope();
            var part = columns.narrow(0, start, Math.Min(ColumnsAtOnce, columns.shape[0] - start));
            part.copy_((places is null ? weight.narrow(1, start, part.shape[0]) : weight.index_select(1, places.narrow(0, start, part.shape[0]))).t());
        }

        return columns;
    }

    /// <summary>Scales and zeros by group.</summary>
    private sealed class GridList
    {
        private readonly List<(Tensor Scale, Tensor? Zero)> _groups = [];

        public (Tensor Scale, Tensor? Zero) this[int group] => _groups[group];

        public void Add(Tensor scale, Tensor? zero) => _groups.Add((scale, zero));

        public (Tensor Scale, Tensor? Zero) ToTensors()
        {
            var result = (stack(_groups.Select(g => g.Scale), 1), _groups[0].Zero is null ? null : stack(_groups.Select(g => g.Zero!), 1));
            foreach (var (scale, zero) in _groups)
            {
                scale.Dispose();
                zero?.Dispose();
            }

            return result;
        }
    }
}
