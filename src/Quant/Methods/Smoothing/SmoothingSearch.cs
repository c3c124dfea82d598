using Generated.Quant.Recipes;

namespace Generated.Quant.Methods;

/// <summary>
/// Search of smoothing scales by the joint output error with both sides quantized. Channels are clustered by magnitude into
/// pieces; each piece in turn tries every α, then every factor on top. It starts from plain smoothing and takes only what lowers
/// the error, so that it never loses to it on the sample.
/// </summary>
internal sealed class SmoothingSearch(SiteProblem problem, SmoothOptions options, Rounding rounding, float[] absMax, float[] weightMax)
{
    /// <summary>The best scales.</summary>
    /// <param name="pieces">Number of pieces; with <see cref="SmoothOptions.SearchPieces"/> the most that is tried.</param>
    /// <param name="factors">Whether factors are tried too.</param>
    public float[] Run(int pieces, bool factors)
    {
        using var error = new OutputError(problem, rounding, isRelative: true);
        var best = Smoothing.Plain(absMax, weightMax, options.Alpha);
        var least = error.Of(best);
        var plain = (Scales: best, Error: least);
        for (var count = factors && options.SearchPieces ? 1 : pieces; count <= pieces; count++)
        {
            var found = Search(error, count, factors, plain);
            if (found.Error < least)
                (best, least) = found;
        }

        return best;
    }

    private (float[] Scales, double Error) Search(OutputError error, int count, bool factors, (float[] Scales, double Error) start)
    {
        var best = start;
        var pieces = MagnitudeClusters.Split(absMax, count);
        // All channels together first: pieces then refine what one α can do.
        foreach (var piece in pieces.Count > 1 ? [[.. Enumerable.Range(0, absMax.Length)], .. pieces] : pieces)
        {
            var alphas = Steps(options.AlphaMin, options.AlphaMax, options.AlphaStep).ToArray();
            foreach (var alpha in alphas)
                Try(piece, (c, _) => Smoothing.Plain(absMax[c], weightMax[c], alpha), best.Scales);
            if (!factors)
                continue;
            var basis = best.Scales;
            foreach (var factor in Steps(options.ScaleMin, options.ScaleMax, options.ScaleStep).Where(f => f != 1))
                Try(piece, (_, scale) => (float)(scale * factor), basis);
        }

        return best;

        void Try(IReadOnlyList<int> piece, Func<int, float, float> change, float[] basis)
        {
            var scales = (float[])basis.Clone();
            foreach (var c in piece)
                scales[c] = change(c, scales[c]);
            var found = error.Of(scales);
            if (found < best.Error)
                best = (scales, found);
        }
    }

    private static IEnumerable<double> Steps(double from, double to, double step)
    {
        for (var i = 0; from + i * step <= to + step * 1e-6; i++)
            yield return from + i * step;
    }
}
