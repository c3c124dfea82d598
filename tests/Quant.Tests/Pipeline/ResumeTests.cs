using Generated;
using Generated.Quant.Calibration;
using Generated.Quant.Pipeline;
using Generated.Quant.Recipes;

namespace Quant.Tests.Pipeline;

/// <summary>A run that ends early leaves no target, and one that goes on gives the bytes of one that was never interrupted.</summary>
public sealed class ResumeTests
{
    static ResumeTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    /// <summary>With the 3 blocks of the fixture there are 5 units.</summary>
    private const int Units = 5;

    [Theory]
    [InlineData("w4-smooth-gptq")]
    [InlineData("w8a8-shift-smooth-all")]
    [InlineData("kv8")]
    public void StoppedBeforeAnyUnit_ARunGoesOnToTheSameBytes(string recipe)
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder, recipe, "whole");
        Quantizer.Run(options);
        var expected = Files(options.Target);
        for (var stop = 0; stop < Units; stop++)
        {
            var stopped = options with { Target = folder[$"stopped{stop}"] };
            using (var source = new CancellationTokenSource())
            {
                var progress = new StopAt((double)stop / Units, source);
                Assert.Throws<OperationCanceledException>(() => Quantizer.Run(stopped with { Progress = progress }, source.Token));
            }

            Assert.False(Directory.Exists(stopped.Target));
            var begun = new List<double>();
            var resumption = Quantizer.Run(stopped with { Progress = new Note(begun) }).Resumption;
            Assert.Equal(stop, (int)Math.Round(begun[0] * Units)); // nothing is done twice
            string?[] places = [null, "block 1 of 3", "block 2 of 3", "block 3 of 3", "what is behind the blocks"];
            Assert.Equal(places[stop] is { } place ? $"The run went on at {place}, where an interrupted one had stopped." : null, resumption);
            Equal(expected, Files(stopped.Target));
        }
    }

    [Fact]
    public void StoppedAtEveryUnitInTurn_ItStillArrives()
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder, "w4-gptq", "whole");
        Quantizer.Run(options);
        var target = folder["stopped"];
        for (var stop = 1; stop < Units; stop++)
        {
            using var source = new CancellationTokenSource();
            var progress = new StopAt((double)stop / Units, source);
            Assert.Throws<OperationCanceledException>(() => Quantizer.Run(options with { Target = target, Progress = progress }, source.Token));
        }

        Quantizer.Run(options with { Target = target });
        Equal(Files(options.Target), Files(target));
        Assert.Equal(["calibration.jsonl", "stopped", "whole"], Directory.EnumerateFileSystemEntries(folder.Path).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void WhatAnotherRecipeLeft_IsNotUsed()
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder, "w8", "target");
        using (var source = new CancellationTokenSource())
        {
            var progress = new StopAt(3.0 / Units, source);
            Assert.Throws<OperationCanceledException>(() => Quantizer.Run(options with { Recipe = NamedRecipes.Get("w4-rtn", 32), Progress = progress }, source.Token));
        }

        Assert.Contains("another source, recipe or tokens", Quantizer.Run(options).Resumption);
        Quantizer.Run(options with { Target = folder["whole"] });
        Equal(Files(folder["whole"]), Files(options.Target));
    }

    private static QuantizeOptions Options(TemporaryFolder folder, string recipe, string target) => new()
    {
        Source = Stories.Fixture("llama2-gqa"),
        Target = folder[target],
        Recipe = NamedRecipes.Get(recipe, groupSize: 32),
        CalibrationFile = Fixtures.Calibration("llama2-gqa", folder, count: 12),
        Calibration = new CalibrationOptions { To = 0.5, TokensPerBatch = 32 },
    };

    private static Dictionary<string, byte[]> Files(string folder) => Directory.EnumerateFiles(folder).ToDictionary(path => Path.GetFileName(path), File.ReadAllBytes);

    private static void Equal(Dictionary<string, byte[]> expected, Dictionary<string, byte[]> actual)
    {
        Assert.Equal(expected.Keys.Order(), actual.Keys.Order());
        Assert.All(expected, file => Assert.True(file.Value.AsSpan().SequenceEqual(actual[file.Key]), $"{file.Key} differs"));
    }

    private sealed class StopAt(double share, CancellationTokenSource source) : IProgress<double>
    {
        public void Report(double value)
        {
            if (value >= share - 1e-9)
                source.Cancel();
        }
    }

    private sealed class Note(List<double> values) : IProgress<double>
    {
        public void Report(double value) => values.Add(value);
    }
}
