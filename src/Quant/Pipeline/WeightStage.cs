using Generated.Architectures;
using Generated.Layers;
using Generated.Native;
using Generated.Quant.Analysis;
using Generated.Quant.Layers;
using Generated.Quant.Methods;
using Generated.Quant.Recipes;
using Generated.Quant.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>Rounds the linears of a site and puts the quantized ones in their places.</summary>
/// <param name="recipe">The methods.</param>
/// <param name="replaced">Takes over the linear whose place a quantized one has taken; null to dispose of it.</param>
internal sealed class WeightStage(QuantRecipe recipe, Action<LinearSlot, Linear>? replaced = null)
{
    private const float Int8 = 127;

    /// <summary>Values compared at a time: a head's outputs on all sampled tokens may be larger than the model.</summary>
    private const long ValuesAtOnce = 1 << 22;

    /// <summary>Quantizes every linear of a site that the recipe does not keep.</summary>
    /// <param name="unit">Holds them; afterwards it holds their quantized forms.</param>
    /// <param name="site">The site.</param>
    /// <param name="values">The value, behind an inserted operation; null without calibration.</param>
    public IReadOnlyList<(string Path, LinearState State, LinearReport Report)> Run(Unit unit, SitePlan site, SiteValues? values)
    {
        using var noGrad = no_grad();
        var results = new List<(string Path, LinearState State, LinearReport Report)>();
        foreach (var linear in site.Quantized)
        {
            results.Add(Quantize(unit, site, linear, values));
            UnusedMemory.Release(results[^1].State.Weight.Codes.LongLength);
        }

        return results;
    }

    private (string, LinearState, LinearReport) Quantize(Unit unit, SitePlan site, LinearPlan linear, SiteValues? values)
    {
        var (sample, scale) = (values?.Sample, values?.Threshold is { } threshold ? (float)(threshold / Int8) : (float?)null);
        using var scope = NewDisposeScope();
        var matrix = Folding.Matrix(unit, linear.Path);
        matrix.FixUnitRows();
        var format = linear.Choice.Weights!;
        var clip = Clip(site, linear.Path, matrix, sample, format);
        var report = new LinearReport(linear.Path, linear.Info.Name.Replace("{i}", unit.Block.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal), unit.Block)
        {
            Method = "nearest",
            Transform = Describe(site),
        };
        QuantizedWeight codes;
        if (recipe.Gptq is { } gptq)
        {
            var result = GptqQuantizer.Quantize(matrix, values!.Hessian!, format, gptq, recipe.Rounding, clip);
            (codes, report) = (result.Weight, report.With(result));
        }
        else
        {
            codes = RoundToNearest.Quantize(matrix, format, recipe.Rounding, clip);
        }

        var activations = linear.Choice.Activations;
        var state = new LinearState
        {
            Weight = codes,
            Bias = matrix.Bias?.Value.to_type(ScalarType.Float32).cpu().data<float>().ToArray(),
            Input = values?.Inserted,
            Activations = activations,
            // An input that was always zero has no range; any scale gives its zeros.
            InputScale = activations?.Per == ActivationGranularity.Tensor ? scale > 0 ? scale : 1 : null,
        };
        report = report with { InputScale = state.InputScale };
        return (linear.Path, state, report.With(Replace(unit, linear.Path, matrix, state, sample)));
    }

    /// <summary>Puts the quantized linear in its place and measures what that changes: of its output on sampled tokens; without calibration, of its weight.</summary>
    private ErrorMeasure Replace(Unit unit, string path, IMatrixLinear matrix, LinearState state, Tensor? sample)
    {
        var slot = unit.Linears[path];
        var before = slot.Linear;
        var quantized = QuantizedLinear.Create(before, state);
        var error = sample is null ? WeightError(matrix, state.Weight) : OutputError((Linear)matrix, quantized, state, sample);
        slot.Linear = quantized;
        if (replaced is null)
            before.Dispose();
        else
            replaced(slot, before);
        return error;
    }

    private static ErrorMeasure WeightError(IMatrixLinear matrix, QuantizedWeight weight)
    {
        var error = new ErrorMeasure();
        foreach (var (start, count) in matrix.Ranges())
        {
            using var exact = matrix.Rows(start, count);
            using var rounded = weight.Dequantize(start, count, exact.device);
            error.Add(exact, rounded);
        }

        return error;
    }

    private static ErrorMeasure OutputError(Linear dense, QuantizedLinear quantized, LinearState state, Tensor sample)
    {
        var error = new ErrorMeasure();
        // The sample is what comes out of an inserted operation; the measured linear must not apply it once more.
        using var inner = state.Input is null ? null : QuantizedLinear.Create(dense, state with { Input = null });
        var bare = inner ?? quantized;
        var most = Math.Max(1, ValuesAtOnce / dense.OutWidth);
        for (var start = 0L; start < sample.shape[0]; start += most)
        {
            using var rows = sample.narrow(0, start, Math.Min(most, sample.shape[0] - start));
            using var expected = dense.Product(rows, true);
            using var actual = bare.Product(rows, true);
            error.Add(expected, actual);
        }

        return error;
    }

    /// <summary>
    /// Thresholds of the weights that are clipped. Queries and keys are not: what they lose goes through a softmax, which the error of
    /// a linear's output does not tell.
    /// </summary>
    private Tensor? Clip(SitePlan site, string path, IMatrixLinear matrix, Tensor? sample, WeightFormat format)
    {
        if (recipe.AutoClip is not { } options || (site.Values is { } values && (values.Source != path)))
            return null;
        var thresholds = AutoClip.Thresholds(matrix, sample!, format, options, recipe.Rounding);
        if (site.Values?.Section is not { } section)
            return thresholds;
        // One linear gives queries, keys and values: only the rows of the values are clipped.
        using var rows = zeros(thresholds.shape[0], ScalarType.Bool, thresholds.device);
        using var groups = rows.view(section.Groups, -1);
        groups.narrow(1, section.Widths.Take(section.Index).Sum(), section.Widths[section.Index]).fill_(true);
        using (thresholds)
            return where(rows.unsqueeze(-1), thresholds, full_like(thresholds, float.PositiveInfinity));
    }

    private string Describe(SitePlan site)
    {
        if (!site.IsTransformed)
            return "";
        var methods = new[] { site.Shifts ? "shift" : null, site.Scales ? recipe.Awq is null ? "smooth" : "awq" : null }.OfType<string>();
        var place = site.Absorber switch
        {
            Absorber.Norm => "into " + site.Norm!.Norm,
            Absorber.Source => "into " + site.Pair!.Source,
            _ => "by an inserted operation",
        };
        return $"{string.Join(" and ", methods)} {place}";
    }
}
