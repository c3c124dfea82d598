using System.Text;
using Generated.Checkpoints.Writing;
using Generated.Quant.Recipes;
using Generated.Quant.Recipes.Files;

namespace Generated.Quant.Analysis.Reports;

/// <summary>The folder of an analysis: measurements as they come, then the report, each file whole or not at all.</summary>
internal sealed class ReportFolder : IDisposable
{
    /// <summary>The page.</summary>
    public const string PageName = "report.html";

    /// <summary>Folder of the plots.</summary>
    public const string PlotsName = "plots";

    private readonly string _path;

    /// <param name="path">The folder; it is created where it is missing.</param>
    /// <exception cref="GeneratedException">It cannot be written.</exception>
    public ReportFolder(string path)
    {
        _path = path;
        Work = Path.Combine(path, "work");
        Do(() => Directory.CreateDirectory(Work));
    }

    /// <summary>For hidden states; deleted at the end.</summary>
    public string Work { get; }

    /// <summary>Writes the report.</summary>
    /// <param name="report">The findings.</param>
    /// <param name="recipe">The recipe that was analyzed.</param>
    /// <param name="found">The recipe that a search found; null without a search.</param>
    /// <param name="statistics">Values before and after, in order of execution.</param>
    /// <param name="withPlots">Whether values and findings are plotted.</param>
    public void Write(AnalysisReport report, QuantRecipe recipe, QuantRecipe? found, IReadOnlyList<LayerStatistics> statistics, bool withPlots) => Do(() =>
    {
        var plots = withPlots ? AnalysisPlots.Draw(report, statistics) : [];
        var images = Directory.CreateDirectory(Path.Combine(_path, PlotsName));
        foreach (var file in images.EnumerateFiles("*.png"))
            file.Delete(); // of another run
        foreach (var plot in plots)
            Write(Path.Combine(PlotsName, plot.FileName), plot.Png);
        if (!images.EnumerateFileSystemInfos().Any())
            images.Delete();
        Write("layers.csv", CsvTables.Layers(report));
        Write("statistics.csv", CsvTables.Statistics(statistics));
        if (found is not null && report.Search!.IsReached)
            RecipeFile.Write(Path.Combine(_path, Analyzer.RecipeFileName), found);
        else
            File.Delete(Path.Combine(_path, Analyzer.RecipeFileName)); // of another target
        Write(AnalysisReport.FileName, report.ToJson());
        Write(PageName, HtmlReport.Page(report, recipe, found, statistics, plots));
        return true;
    });

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            Directory.Delete(Work, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is in the way of nothing; the next run deletes it.
        }
    }

    private void Write(string name, string text) => Write(name, Encoding.UTF8.GetBytes(text));

    private void Write(string name, byte[] bytes) => AtomicFile.WriteAllBytes(Path.Combine(_path, name), bytes);

    private T Do<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new GeneratedException($"{_path} cannot be written: {e.Message}", e);
        }
    }
}
