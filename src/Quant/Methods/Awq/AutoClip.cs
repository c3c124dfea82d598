using Generated.Layers;
using Generated.Quant.Calibration;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>
/// The largest magnitude that is kept in each row's group (AWQ's auto-clip, Lin et al., 2023): the share of its range, on a grid,
/// whose quantized group gives the least error of the group's part of the output.
/// </summary>
internal static class AutoClip
{
    private const int RowsAtOnce = 256;

    /// <summary>Thresholds, float32 [out, groups]; the caller's.</summary>
    /// <param name="weight">[out, in].</param>
    /// <param name="inputs">[n, in] sampled tokens; of more than <see cref="AutoClipOptions.Tokens"/> evenly spaced ones are used.</param>
    /// <param name="format">The format the weight gets.</param>
    /// <param name="options">The grid.</param>
    /// <param name="rounding">How values between two codes are rounded.</param>
    /// <exception cref="InvalidInputException">A value is NaN or infinite.</exception>
    public static Tensor Thresholds(IWeightRows weight, Tensor inputs, WeightFormat format, AutoClipOptions options, Rounding rounding)
    {
        ArgumentNullException.ThrowIfNull(weight);
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(options);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var width = weight.InWidth;
        if (inputs.dim() != 2 || inputs.shape[1] != width || inputs.shape[0] == 0)
            throw new ArgumentException($"Inputs of [{string.Join(", ", inputs.shape)}] for {width} channels.", nameof(inputs));
        Finite.Require(inputs, "The calibration activations");
        var tokens = Math.Min(options.Tokens, inputs.shape[0]);
        var places = arange(tokens, device: inputs.device).mul(inputs.shape[0]).div(tokens, torch.RoundingMode.floor);
        var groupSize = WeightGrid.GroupSize(format, width);
        // Per tensor formats share one scale, but rows still are clipped one by one: the range is that of the widest row left.
        var format1 = format.Per == Granularity.Tensor ? format with { Per = Granularity.Channel } : format;
        var measure = new GroupError(inputs.index_select(0, places.to_type(ScalarType.Int64)).to_type(ScalarType.Float32), groupSize);
        var parts = new List<Tensor>();
        foreach (var (start, count) in weight.Ranges((long)RowsAtOnce * width))
        {
            using var inner = NewDisposeScope();
            parts.Add(Search(RoundToNearest.Checked(weight.Rows(start, count)).to_type(ScalarType.Float32), measure, format1, options, rounding).MoveToOuterDisposeScope());
        }

        return cat(parts, 0).MoveToOuterDisposeScope();
    }

    private static Tensor Search(Tensor rows, GroupError measure, WeightFormat format, AutoClipOptions options, Rounding rounding)
    {
        using var scope = NewDisposeScope();
        var whole = measure.Grouped(rows).abs().amax([2]);
        var best = whole;
        var least = measure.Of(rows - FakeQuantize.Weight(rows, format, rounding));
        for (var i = 1; i < options.MaxShrink * options.Grid; i++)
        {
            using var inner = NewDisposeScope();
            var clip = whole * (1 - (double)i / options.Grid);
            var error = measure.Of(rows - FakeQuantize.Weight(rows, format, rounding, clip));
            var better = error < least;
            least = where(better, error, least).MoveToOuterDisposeScope();
            best = where(better, clip, best).MoveToOuterDisposeScope();
        }

        return best.alias().MoveToOuterDisposeScope();
    }

    /// <summary>The squared error of each group's part of the output, for differences of weights.</summary>
    private sealed class GroupError
    {
        private readonly int _groupSize;
        private readonly Tensor _inputs;
        private readonly bool _isGram;

        public GroupError(Tensor inputs, int groupSize)
        {
            _groupSize = groupSize;
            var groups = Grouped(inputs).transpose(0, 1); // [groups, n, size]
            _isGram = groupSize < inputs.shape[0];
            _inputs = _isGram ? groups.transpose(1, 2).matmul(groups) : groups.transpose(1, 2);
        }

        public Tensor Grouped(Tensor values)
        {
            var (rows, width) = (values.shape[0], values.shape[1]);
            var groups = (width + _groupSize - 1) / _groupSize;
            return nn.functional.pad(values, [0, groups * _groupSize - width]).reshape(rows, groups, _groupSize);
        }

        /// <summary>[rows, groups] for [rows, in].</summary>
        public Tensor Of(Tensor difference)
        {
            using var scope = NewDisposeScope();
            var groups = Grouped(difference).transpose(0, 1); // [groups, rows, size]
            var products = groups.matmul(_inputs);
            var error = _isGram ? (products * groups).sum(2) : products.Squared().sum(2);
            return error.t().MoveToOuterDisposeScope();
        }
    }
}
