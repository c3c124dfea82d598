using System.Globalization;
using System.Text.RegularExpressions;
using Generated.Quant.Analysis;
using Generated.Quant.Analysis.Reports;
using Generated.Quant.Calibration;
using Generated.Quant.Recipes;
using Quant.Tests.Formats;
using SkiaSharp;

namespace Quant.Tests.Analysis;

/// <summary>The files of a report.</summary>
public sealed partial class ReportTests : IDisposable
{
    private readonly Folders _folders = new();

    static ReportTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    public void Dispose() => _folders.Dispose();

    [Fact]
    public void Run_WithPlots_WritesImagesTablesAndOnePageThatHoldsThem()
    {
        var report = Run(target: 1e9, plots: true);
        var images = Directory.GetFiles(_folders["out/plots"]);
        Assert.Equal(5 + 2 * 6, images.Length);
        foreach (var image in images)
            CheckImage(File.ReadAllBytes(image));

        var page = File.ReadAllText(_folders["out/report.html"]);
        var inlined = DataImages().Matches(page).Select(match => Convert.FromBase64String(match.Groups[1].Value)).ToList();
        Assert.Equal(images.Select(File.ReadAllBytes).Select(Convert.ToHexString).Order(), inlined.Select(Convert.ToHexString).Order());
        Assert.DoesNotMatch(OutsideReferences(), page);
        Assert.All(report.Layers, layer => Assert.Contains($"<td>{layer.Layer}</td>", page, StringComparison.Ordinal));
        Assert.Contains("&quot;weights&quot;", page, StringComparison.Ordinal); // the recipe
        Assert.All(OpenTags().Matches(page).Select(match => match.Groups[1].Value).Distinct().Except(["meta", "img", "DOCTYPE"]), tag =>
            Assert.Equal(Regex.Count(page, $"<{tag}[ >]"), Regex.Count(page, $"</{tag}>")));
    }

    [Fact]
    public void Run_WithoutPlots_WritesTheTablesAllTheSame()
    {
        Directory.CreateDirectory(_folders["out/plots"]);
        File.WriteAllBytes(_folders["out/plots/layer-01-inputs.png"], [1]); // of a run before
        var report = Run(target: null, plots: false);
        Assert.False(Directory.Exists(_folders["out/plots"]));
        Assert.DoesNotContain("<img", File.ReadAllText(_folders["out/report.html"]), StringComparison.Ordinal);

        var layers = Rows("layers.csv");
        Assert.Equal(report.Layers.Select(layer => layer.Layer), layers.Select(row => row["layer"]));
        Assert.Equal(report.Layers.Select(layer => layer.Harm), layers.Select(row => Number(row["harm"])));
        var statistics = Rows("statistics.csv");
        Assert.Equal(4 * report.Layers.Count, statistics.Count);
        Assert.All(statistics, row =>
        {
            double[] ordered = [Number(row["min"]), Number(row["lower_quartile"]), Number(row["median"]), Number(row["upper_quartile"]), Number(row["max"])];
            Assert.Equal(ordered.Order(), ordered);
            Assert.InRange(Number(row["mean"]), ordered[0], ordered[^1]);
            Assert.True(Number(row["std"]) > 0);
        });
    }

    [Fact]
    public void SignedLogAxis_IsOddAndGrows_AndItsTicksCoverTheValues()
    {
        var axis = new SignedLogAxis(0.01, 250);
        Assert.Equal(0, axis.Place(0));
        Assert.Equal(-axis.Place(3), axis.Place(-3), 1e-12);
        Assert.Equal(1, axis.Place(1000) - axis.Place(100), 1e-3);
        Assert.Equal(axis.Ticks.Order(), axis.Ticks);
        Assert.True(axis.Ticks[^1] > 250 && axis.Ticks[0] < -250);
    }

    private static void CheckImage(byte[] png)
    {
        Assert.Equal([0x89, 0x50, 0x4E, 0x47], png[..4]);
        using var image = SKBitmap.Decode(png);
        Assert.NotNull(image);
        Assert.True(image.Width >= 600 && image.Height >= 200);
        // Not only axes and text: a part of it has a colour.
        Assert.Contains(image.Pixels, pixel => Math.Abs(pixel.Red - pixel.Blue) > 60);
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private List<Dictionary<string, string>> Rows(string file)
    {
        var lines = File.ReadAllLines(_folders["out/" + file]);
        var head = lines[0].Split(',');
        return [.. lines.Skip(1).Select(line => line.Split(',').Zip(head, (value, key) => (key, value)).ToDictionary(cell => cell.key, cell => cell.value))];
    }

    private AnalysisReport Run(double? target, bool plots)
    {
        FragileModel.WriteTokens(_folders["tokens.jsonl"]);
        return Analyzer.Run(new AnalysisOptions
        {
            Source = Folders.Fixture("llama2-gqa"),
            Recipe = NamedRecipes.Get("w8a8"),
            TextFile = _folders["tokens.jsonl"],
            Calibration = new CalibrationOptions { To = 0.5 },
            MetricRows = 2,
            Folder = _folders["out"],
            Target = target,
            Plots = plots,
        });
    }

    [GeneratedRegex("src=\"data:image/png;base64,([^\"]+)\"")]
    private static partial Regex DataImages();

    [GeneratedRegex("(src|href)=\"(?!data:)|@import|url\\(")]
    private static partial Regex OutsideReferences();

    [GeneratedRegex("<([A-Za-z]+[0-9]?)[ >]")]
    private static partial Regex OpenTags();
}
