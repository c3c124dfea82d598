using Generated;
using Generated.Quant.Calibration;
using Generated.Quant.Pipeline;
using Generated.Quant.Recipes;
using Generated.Quant.Recipes.Files;

namespace Quant.Tests.Pipeline;

/// <summary>Statistics that one recipe has taken serve the next: fewer passes, the same bytes; and never those of another model or text.</summary>
public sealed class StatisticsTests : IDisposable
{
    /// <summary>What is before the blocks, three of them, what is behind.</summary>
    private const int Units = 5;

    /// <summary>GPTQ sees what quantized units give and passes on what the next one gives; before the blocks and behind it does one of both.</summary>
    private const int Followed = 1 + 2 * 3 + 1;

    private readonly TemporaryFolder _folder = new();

    static StatisticsTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    public void Dispose() => _folder.Dispose();

    /// <param name="first">The recipe that takes them.</param>
    /// <param name="second">The recipe that uses them.</param>
    /// <param name="alone">Passes of the second recipe alone.</param>
    /// <param name="after">Its passes with the statistics.</param>
    [Theory]
    [InlineData("w8a8", "w8a8-smooth", Units, 0)]
    [InlineData("w8a8-smooth-all", "w8a8-shift-smooth-all", Units, 0)]
    [InlineData("w4-awq", "w8a8", Units, 0)]
    [InlineData("kv8", "w4-rtn", Units, 0)]
    [InlineData("w8", "kv8", Units - 1, 0)] // nothing behind the blocks is quantized
    [InlineData("w8a8", "w4-smooth-gptq", Units + Followed, Followed)] // what is behind quantized blocks is another recipe's business
    public void AnotherRecipe_TakesFewerPasses_AndGivesTheSameBytes(string first, string second, int alone, int after)
    {
        var options = Options(second, "alone");
        Assert.Equal(alone, Passes(options, null).Count);
        Assert.Equal(Units, Passes(Options(first, "first"), "statistics").Count);
        Assert.Equal(after, Passes(options with { Target = _folder["after"] }, "statistics").Count);
        Equal("alone", "after");
    }

    [Fact]
    public void ARunThatTakesThem_GivesTheBytesOfOneThatDoesNot()
    {
        var recipe = RecipeEdit.Set(NamedRecipes.Get("w8a8-smooth"), "activations.observer=kl");
        foreach (var (name, chosen) in new[] { ("w8a8", NamedRecipes.Get("w8a8")), ("kl", recipe) })
        {
            Passes(Options("w8", name + " without") with { Recipe = chosen }, null);
            Passes(Options("w8", name + " with") with { Recipe = chosen }, name);
            Passes(Options("w8", name + " again") with { Recipe = chosen }, name);
            Equal(name + " without", name + " with");
            Equal(name + " without", name + " again");
        }
    }

    [Fact]
    public void HeldOutPerplexity_OfTheExactModel_IsKeptToo()
    {
        var first = Quantizer.Run(Options("w8a8", "first") with { EvaluationRows = 4, StatisticsFolder = _folder["statistics"] });
        var second = Quantizer.Run(Options("w8", "second") with { EvaluationRows = 4, StatisticsFolder = _folder["statistics"] });
        var alone = Quantizer.Run(Options("w8", "alone") with { EvaluationRows = 4 });
        Assert.Equal(first.PerplexityBefore, second.PerplexityBefore);
        Assert.Equal(alone.PerplexityAfter, second.PerplexityAfter);
        Assert.True(second.TokensPerSecondBefore > 0);
        Equal("alone", "second");
    }

    [Fact]
    public void OtherObservers_AreTakenAnew_AndThoseBeforeStay()
    {
        var kl = Options("w8a8", "kl") with { Recipe = RecipeEdit.Set(NamedRecipes.Get("w8a8"), "activations.observer=kl") };
        var mse = Options("w8a8", "mse") with { Recipe = RecipeEdit.Set(NamedRecipes.Get("w8a8"), "activations.observer=mse") };
        Assert.Equal(Units, Passes(kl, "statistics").Count);
        Assert.Contains("lack thresholds by mse", Quantizer.Run(mse with { StatisticsFolder = _folder["statistics"] }).Statistics);
        Assert.Empty(Passes(kl with { Overwrite = true }, "statistics"));
        Assert.Empty(Passes(mse with { Overwrite = true }, "statistics"));
    }

    /// <summary>Of keys and values the two cheap ones are always kept, others where they are asked for; AWQ moves scales into what gives values and looks again.</summary>
    [Fact]
    public void ObserversOfTheCache_AreTakenAnew_AndThoseBeforeStay()
    {
        QuantizeOptions With(string observer, string target, string recipe = "kv8") =>
            Options("w8", target) with { Recipe = RecipeEdit.Set(NamedRecipes.Get(recipe, groupSize: 32), $"kv_cache.observer={observer}") };
        Assert.Equal(Units, Passes(With("abs_max", "first"), "statistics").Count);
        Assert.Empty(Passes(With("average", "average"), "statistics"));
        Assert.Contains("lack thresholds by kl", Quantizer.Run(With("kl", "kl") with { StatisticsFolder = _folder["statistics"] }).Statistics);
        Assert.Equal(Units, Passes(With("emd", "emd"), "statistics").Count);
        foreach (var observer in new[] { "kl", "emd", "average" })
        {
            Passes(With(observer, observer + " alone"), null);
            Assert.Empty(Passes(With(observer, observer + " again"), "statistics"));
            Equal(observer + " alone", observer);
            Equal(observer + " alone", observer + " again");
        }

        Passes(With("mse", "awq alone", "w4-awq"), null);
        Passes(With("mse", "awq", "w4-awq"), "statistics");
        Equal("awq alone", "awq");
    }

    [Fact]
    public void OtherTokensOrAnotherModel_AreNotConfused()
    {
        Passes(Options("w8a8", "first"), "statistics");
        var fewer = Options("w8a8", "fewer") with { Calibration = new CalibrationOptions { To = 0.25, TokensPerBatch = 32 } };
        Assert.Equal(Units, Passes(fewer, "statistics").Count);
        var batches = Options("w8a8", "batches") with { Calibration = new CalibrationOptions { To = 0.5, TokensPerBatch = 64 } };
        Assert.Equal(Units, Passes(batches, "statistics").Count);

        // One weight changes, and neither size nor time of the file.
        var copy = _folder["copy"];
        Directory.CreateDirectory(copy);
        foreach (var file in Directory.EnumerateFiles(Stories.Fixture("llama2-gqa")))
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        Assert.Empty(Passes(Options("w8a8", "copied") with { Source = copy }, "statistics"));
        var weights = Directory.EnumerateFiles(copy, "*.safetensors").First(file => !file.EndsWith("golden.safetensors", StringComparison.Ordinal));
        var time = File.GetLastWriteTimeUtc(weights);
        var bytes = File.ReadAllBytes(weights);
        bytes[^2] ^= 1;
        File.WriteAllBytes(weights, bytes);
        File.SetLastWriteTimeUtc(weights, time);
        Assert.Equal(Units, Passes(Options("w8a8", "changed") with { Source = copy }, "statistics").Count);
    }

    [Fact]
    public void DamagedStatistics_AreTakenAnew_AndSaidSo()
    {
        var options = Options("w8a8", "first");
        Passes(options, "statistics");
        var files = Directory.EnumerateFiles(_folder["statistics"], "unit.*.bin", SearchOption.AllDirectories).Order().ToList();
        Assert.Equal(5, files.Count);
        var damages = new Action<string>[]
        {
            path =>
            {
                var bytes = File.ReadAllBytes(path);
                bytes[bytes.Length / 2] ^= 0x40;
                File.WriteAllBytes(path, bytes);
            },
            path => File.WriteAllBytes(path, File.ReadAllBytes(path)[..^7]),
            path => File.WriteAllBytes(path, []),
            File.Delete,
        };
        for (var i = 0; i < damages.Length; i++)
        {
            damages[i](files[i]);
            var passes = 0;
            var report = Quantizer.Run(options with { Target = _folder[$"damaged{i}"], StatisticsFolder = _folder["statistics"], PassBegins = _ => passes++ });
            Assert.Contains(Path.GetFileName(files[i]) + (i == 3 ? " is missing" : " is damaged"), report.Statistics);
            Assert.Equal(Units, passes);
            Equal("first", $"damaged{i}");
        }

        Assert.Empty(Passes(options with { Target = _folder["whole"] }, "statistics"));
    }

    [Fact]
    public void Interrupted_EitherRunGoesOn()
    {
        Quantizer.Run(Options("w8a8-smooth", "whole"));
        foreach (var complete in new[] { false, true })
        {
            var options = Options("w8a8-smooth", $"stopped{complete}") with { StatisticsFolder = _folder[$"statistics{complete}"] };
            if (complete)
                Quantizer.Run(options with { Target = _folder["before"] });
            using (var source = new CancellationTokenSource())
                Assert.Throws<OperationCanceledException>(() => Quantizer.Run(options with { Progress = new StopAt(3.0 / 5, source) }, source.Token));
            Quantizer.Run(options);
            Equal("whole", $"stopped{complete}");
            Assert.Empty(Passes(options with { Target = _folder[$"after{complete}"] }, $"statistics{complete}"));
        }
    }

    [Fact]
    public void WhatTheyAreNotFor_IsRefusedOrSaid()
    {
        var without = Options("w8", "q") with { CalibrationFile = null, StatisticsFolder = _folder["statistics"] };
        Assert.Contains("--calibration", Assert.Throws<InvalidInputException>(() => Quantizer.Run(without)).Message);
        File.WriteAllText(_folder["file"], "");
        Assert.Contains("is a file", Assert.Throws<InvalidInputException>(() => Quantizer.Run(Options("w8a8", "q") with { StatisticsFolder = _folder["file"] })).Message);
        Assert.Contains("behind quantized blocks", Quantizer.Run(Options("w4-gptq", "q") with { StatisticsFolder = _folder["statistics"] }).Statistics);
    }

    private List<int> Passes(QuantizeOptions options, string? statistics)
    {
        var passes = new List<int>();
        Quantizer.Run(options with { StatisticsFolder = statistics is null ? null : _folder[statistics], PassBegins = passes.Add });
        return passes;
    }

    private QuantizeOptions Options(string recipe, string target) => new()
    {
        Source = Stories.Fixture("llama2-gqa"),
        Target = _folder[target],
        Recipe = NamedRecipes.Get(recipe, groupSize: 32),
        CalibrationFile = Fixtures.Calibration("llama2-gqa", _folder, count: 12),
        Calibration = new CalibrationOptions { To = 0.5, TokensPerBatch = 32 },
        EvaluationRows = 0,
    };

    private void Equal(string expected, string actual)
    {
        Assert.Equal(Directory.EnumerateFiles(_folder[expected]).Select(Path.GetFileName).Order(), Directory.EnumerateFiles(_folder[actual]).Select(Path.GetFileName).Order());
        foreach (var file in Directory.EnumerateFiles(_folder[expected]))
            Assert.True(File.ReadAllBytes(file).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(_folder[actual], Path.GetFileName(file)))), $"{actual}: {Path.GetFileName(file)} differs");
    }

    private sealed class StopAt(double share, CancellationTokenSource source) : IProgress<double>
    {
        public void Report(double value)
        {
            if (value >= share - 1e-9)
                source.Cancel();
        }
    }
}
