using Generated.Architectures;
using Generated.Layers;
using Generated.Quant.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>
/// Moves an offset z and a scale s per channel out of a value, x' = (x − z) / s, without changing the function: the linears behind
/// get W' = W · s and b' = b + W · z, and what is in front gives x' instead of x.
/// </summary>
internal static class Folding
{
    /// <summary>Carries a transform out.</summary>
    /// <param name="unit">Where; its linears are dense.</param>
    /// <param name="site">The value and what absorbs.</param>
    /// <param name="shift">z; null for none.</param>
    /// <param name="scale">s, above zero; null for none.</param>
    public static void Apply(Unit unit, SitePlan site, float[]? shift, float[]? scale)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var device = unit.Context.Device;
        var (z, s) = (shift is null ? null : tensor(shift, device: device), scale is null ? null : tensor(scale, device: device));
        foreach (var linear in site.Absorber == Absorber.Inserted ? site.Quantized : site.Linears)
        {
            var matrix = Matrix(unit, linear.Path);
            matrix.FixUnitRows();
            if (z is not null)
                AddToBias(matrix, z);
            if (s is not null)
                matrix.ScaleColumns(s);
        }

        switch (site.Absorber)
        {
            case Absorber.Norm:
                Absorb(unit.Norm(site.Norm!.Norm), z, s);
                break;
            case Absorber.Source:
                Absorb((DenseLinear)Matrix(unit, site.Pair!.Source), site.Pair, s!);
                break;
            default:
                var transform = unit.Inserted[site.Site] = new InputTransform(shift, scale);
                foreach (var slot in site.Quantized.Select(linear => unit.Linears[linear.Path]))
                    slot.Linear = TransformedLinear.Create(slot.Linear, transform);
                break;
        }
    }

    /// <summary>The linear at a path whose weight is still floats, behind an inserted operation or not.</summary>
    public static IMatrixLinear Matrix(Unit unit, string path) => unit.Linears[path].Linear switch
    {
        IMatrixLinear matrix => matrix,
        TransformedLinear { Inner: IMatrixLinear matrix } => matrix,
        var other => throw new InvalidOperationException($"'{path}' is a {other.GetType().Name}, which holds no matrix to change."),
    };

    private static void AddToBias(IMatrixLinear matrix, Tensor z)
    {
        matrix.EnsureBias();
        foreach (var (start, count) in matrix.Ranges())
        {
            using var scope = NewDisposeScope();
            matrix.Bias!.Value.narrow(0, start, count).add_(matrix.Rows(start, count).matmul(z));
        }

        matrix.Bias!.Changed();
    }

    /// <summary>n · w + b becomes n · (w / s) + (b − z) / s.</summary>
    private static void Absorb(INorm norm, Tensor? z, Tensor? s)
    {
        if (z is not null)
        {
            norm.EnsureBias();
            norm.Bias!.Value.sub_(z);
        }

        if (s is not null)
        {
            norm.Weight.Value.div_(s);
            norm.Bias?.Value.div_(s);
        }

        norm.Weight.Changed();
        norm.Bias?.Changed();
    }

    /// <summary>The source's output rows are divided by s; in a fused output only those of the section.</summary>
    private static void Absorb(DenseLinear source, ScalePair pair, Tensor s)
    {
        var all = ones(source.OutWidth, device: s.device);
        if (pair.Section is not { } section)
            all.copy_(s);
        else
        {
            using var groups = all.view(section.Groups, -1);
            using var rows = groups.narrow(1, section.Widths.Take(section.Index).Sum(), section.Widths[section.Index]);
            rows.copy_(s.view(section.Groups, -1));
        }

        source.Weight.Value.div_(all.unsqueeze(-1));
        source.Weight.Changed();
        source.Bias?.Value.div_(all);
        source.Bias?.Changed();
    }
}
