using Generated;
using Generated.Quant.Calibration;
using Generated.Quant.Pipeline;
using Generated.Quant.Recipes;

namespace Quant.Tests.Pipeline;

/// <summary>A training that is stopped goes on from its state, and gives the bytes of one that was never interrupted.</summary>
public sealed class TrainedResumeTests
{
    private const int Steps = 6;
    private const int RowLength = 12;

    static TrainedResumeTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    /// <summary>Everything that trains has something of its own in the state: learned scales, thresholds, offsets, averages.</summary>
    [Theory]
    [InlineData(QatWeights.LsqPlus, null)]
    [InlineData(QatWeights.ChannelAbsMax, QatActivations.MovingAverageAbsMax)]
    [InlineData(QatWeights.LsqPlus, QatActivations.Pact)]
    [InlineData(QatWeights.LsqPlus, QatActivations.LsqPlus)]
    [InlineData(QatWeights.ChannelAbsMax, QatActivations.PactMovingAverage)]
    public void StoppedBehindEveryStepInTurn_ATrainingMakesEachOnce_AndGivesTheSameBytes(QatWeights weights, QatActivations? activations)
    {
        using var folder = new TemporaryFolder();
        var recipe = Recipe with
        {
            Activations = activations is null ? null : new() { Per = ActivationGranularity.Tensor },
            Qat = Recipe.Qat! with { Weights = weights, Activations = activations ?? default },
        };
        var options = Options(folder, "whole", recipe);
        Assert.Null(Quantizer.Run(options).Resumption);
        for (var step = 1; step < Steps; step++)
            Assert.Equal([step], Stop(options with { Target = folder["stopped"] }, behind: step).Steps);

        Assert.False(Directory.Exists(folder["stopped"]));
        var last = new Watch();
        var report = Quantizer.Run(options with { Target = folder["stopped"], Working = last });
        Assert.Equal([Steps], last.Steps);
        Assert.Contains($"resumed behind step {Steps - 1}", string.Join('\n', last.Said));
        Assert.Equal($"The training went on behind step {Steps - 1} of {Steps}, where an interrupted one had left its state.", report.Resumption);
        Equal(folder["whole"], folder["stopped"]);
        Assert.Equal(["calibration.jsonl", "stopped", "whole"], Directory.EnumerateFileSystemEntries(folder.Path).Select(Path.GetFileName).Order());
    }

    /// <summary>Some of what was written is other than it was: a bit, the step, the end of the file, all of it.</summary>
    [Theory]
    [InlineData("bit")]
    [InlineData("step")]
    [InlineData("end")]
    [InlineData("tensors")]
    [InlineData("json")]
    public void AStateThatIsDamaged_IsNotUsed_AndThatIsSaid(string damage)
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder, "whole", Recipe);
        Quantizer.Run(options);
        var stopped = options with { Target = folder["stopped"] };
        Stop(stopped, behind: 4);
        var (tensors, json) = (Path.Combine(State(stopped), "optimizer.safetensors"), Path.Combine(State(stopped), "training_state.json"));
        var bytes = File.ReadAllBytes(tensors);
        switch (damage)
        {
            case "bit":
                var place = new Random(7).Next(bytes.Length / 2, bytes.Length);
                bytes[place] ^= 1;
                File.WriteAllBytes(tensors, bytes);
                break;
            case "step":
                var text = File.ReadAllText(json);
                Assert.Contains("\"steps\": 4", text);
                File.WriteAllText(json, text.Replace("\"steps\": 4", "\"steps\": 5"));
                break;
            case "end":
                File.WriteAllBytes(tensors, bytes[..^100]);
                break;
            case "tensors":
                File.Delete(tensors);
                break;
            default:
                File.WriteAllText(json, "{");
                break;
        }

        var watch = new Watch();
        var report = Quantizer.Run(stopped with { Working = watch });
        Assert.Equal(Enumerable.Range(1, Steps), watch.Steps);
        Assert.Contains(", begun anew", watch.Said.First(said => said.StartsWith("training step 1 ", StringComparison.Ordinal)));
        Assert.StartsWith("The training began anew, for what an interrupted one had left is not used: ", report.Resumption);
        Equal(folder["whole"], folder["stopped"]);
    }

    /// <summary>Both renames of a replacement are atomic, but a run may be killed between them.</summary>
    [Fact]
    public void AStateWhoseReplacementWasInterrupted_IsUsed()
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder, "whole", Recipe);
        Quantizer.Run(options);
        var stopped = options with { Target = folder["stopped"] };
        Stop(stopped, behind: 3);
        Directory.Move(State(stopped), State(stopped) + ".replaced");
        Directory.CreateDirectory(State(stopped) + ".partial");
        var watch = new Watch();
        Quantizer.Run(stopped with { Working = watch });
        Assert.Equal([4, 5, 6], watch.Steps);
        Equal(folder["whole"], folder["stopped"]);
    }

    [Theory]
    [InlineData("tokens")]
    [InlineData("window")]
    [InlineData("recipe")]
    public void AStateOfAnotherTraining_IsNotUsed_AndThatIsSaid(string other)
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder, "target", Recipe);
        Stop(options, behind: 4);
        options = other switch
        {
            "tokens" => options with { Calibration = options.Calibration with { To = 0.4 } },
            // Rows that are shorter than it stay the same, and the stream that they give is cut into other windows.
            "window" => options with { Calibration = options.Calibration with { Window = 2 * RowLength } },
            _ => options with { Recipe = Recipe with { Qat = Recipe.Qat! with { LearningRate = 1e-3 } } },
        };
        var watch = new Watch();
        var report = Quantizer.Run(options with { Working = watch });
        Assert.Equal(Enumerable.Range(1, Steps), watch.Steps);
        Assert.Contains("another source, recipe or tokens", report.Resumption);
        Quantizer.Run(options with { Target = folder["whole"] });
        Equal(folder["whole"], folder["target"]);
    }

    [Fact]
    public void SaveEvery_SaysWhatIsKept()
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder, "target", Recipe);
        Stop(options with { SaveEvery = 0 }, behind: 4);
        Assert.False(Directory.Exists(State(options)));
        // By time, this training is too short for a state but where it is told to stop; as good as killed, it loses what is behind the last one.
        Stop(options with { SaveEvery = 2 }, behind: 5, isKilled: true);
        var watch = new Watch();
        Quantizer.Run(options with { Working = watch });
        Assert.Equal([5, 6], watch.Steps);

        Assert.Contains("--save-every", Assert.Throws<InvalidInputException>(() => Quantizer.Run(options with { Target = folder["q"], SaveEvery = -1 })).Message);
        Assert.Contains("does not train", Assert.Throws<InvalidInputException>(() => Quantizer.Run(options with { Target = folder["q"], Recipe = NamedRecipes.Get("w8"), SaveEvery = 5 })).Message);
    }

    private static readonly QuantRecipe Recipe = new()
    {
        Name = "trained",
        Weights = new() { Bits = 4 },
        Qat = new() { Weights = QatWeights.LsqPlus, Steps = Steps, LearningRate = 2e-3 },
        Keep = ["Llama.Head"],
    };

    private static QuantizeOptions Options(TemporaryFolder folder, string target, QuantRecipe recipe) => new()
    {
        Source = Stories.Fixture("llama"),
        Target = folder[target],
        Recipe = recipe,
        CalibrationFile = Fixtures.Calibration("llama", folder, count: 12),
        // Six windows: a batch of four goes over the end of a round.
        Calibration = new CalibrationOptions { To = 0.5, Window = RowLength },
        EvaluationRows = 2,
    };

    /// <summary>Stops a run behind a step: it is told to, or what reports the step fails, behind which nothing is written.</summary>
    private static Watch Stop(QuantizeOptions options, int behind, bool isKilled = false)
    {
        using var source = new CancellationTokenSource();
        var watch = new Watch { At = behind, Act = isKilled ? () => throw new InvalidOperationException("killed") : source.Cancel };
        if (isKilled)
            Assert.Throws<InvalidOperationException>(() => Quantizer.Run(options with { Working = watch }, source.Token));
        else
            Assert.Throws<OperationCanceledException>(() => Quantizer.Run(options with { Working = watch }, source.Token));
        Assert.Equal(behind, watch.Steps[^1]);
        return watch;
    }

    private static string State(QuantizeOptions options) => Path.Combine(options.Target + ".partial", "work", "training");

    private static void Equal(string expected, string actual)
    {
        Assert.Equal(Directory.EnumerateFiles(expected).Select(Path.GetFileName).Order(), Directory.EnumerateFiles(actual).Select(Path.GetFileName).Order());
        Assert.All(Directory.EnumerateFiles(expected), file =>
            Assert.True(File.ReadAllBytes(file).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(actual, Path.GetFileName(file)))), $"{file} differs"));
    }

    private sealed class Watch : IProgress<string>
    {
        public List<string> Said { get; } = [];

        public List<int> Steps { get; } = [];

        public int At { get; init; }

        public Action? Act { get; init; }

        public void Report(string value)
        {
            Said.Add(value);
            if (!value.StartsWith("training step ", StringComparison.Ordinal))
                return;
            Steps.Add(int.Parse(value.Split(' ')[2]));
            if (Steps[^1] == At)
                Act?.Invoke();
        }
    }
}
