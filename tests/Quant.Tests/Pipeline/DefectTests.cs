using Generated;
using Generated.Checkpoints;
using Generated.Layers;
using Generated.Loading;
using Generated.Passes;
using Generated.Quant.Calibration;
using Generated.Quant.Formats;
using Generated.Quant.Kernels;
using Generated.Quant.Layers;
using Generated.Quant.Pipeline;
using Generated.Quant.Recipes;
using TorchSharp;

namespace Quant.Tests.Pipeline;

/// <summary>
/// Defects that were read in PaddleSlim's and PaddleNLP's quantization (shared/reference/paddle.md, 4f, by its numbers), as far as they
/// belong to the pipeline: none is repeated. Number 12 is in <see cref="ClippingTests"/>.
/// </summary>
public sealed class DefectTests
{
    static DefectTests() => System.Runtime.CompilerServices.RuntimeHelpers.RunModuleConstructor(typeof(Generated.Models.Llama).Module.ModuleHandle);

    /// <summary>There, a sampler that never starts makes the search see the last batch only.</summary>
    [Fact]
    public void Defect01_StatisticsAndSamples_HoldEveryBatch()
    {
        using var scope = torch.NewDisposeScope();
        using var record = new SiteRecord(4) { Statistics = new ChannelStatistics(4) };
        for (var i = 0; i < 5; i++)
        {
            using var tokens = new RealTokens(new TokenBatch(1, 3, new long[3]));
            record.Add(torch.full([1, 3, 4], i == 0 ? 100 : i), tokens);
        }

        Assert.Equal(100, record.Statistics!.TensorAbsMax);
        Assert.Equal(15, record.Statistics.Tokens);
        Assert.Equal([1, 2, 3, 4, 100], record.Sample.ToTensor().data<float>().ToArray().Distinct().Order());
    }

    /// <summary>There, padding enters every statistic. Here rows run alone and padded to one length give the same files but for the order of sums.</summary>
    [Fact]
    public void Defect05_RowsPaddedToOneLength_GiveWhatEachGivesAlone()
    {
        using var folder = new TemporaryFolder();
        // Most of a batch is padding; the ids are far from uniform, so that zeros instead of them are seen everywhere.
        int[][] rows = [.. Fixtures.Rows("llama", 12).Select((row, i) => i % 4 == 0 ? row : row[..(2 + i % 4)])];
        var longest = rows.Max(row => row.Length);
        var together = Tensors(rows, 4096, "together");
        var alone = Tensors(rows, 1, "alone");
        var padded = Tensors([.. rows.Select(row => (int[])[.. new int[longest - row.Length], .. row])], 4096, "padded");
        Assert.Contains(together.Keys, name => name.EndsWith(".input_scale", StringComparison.Ordinal));
        Assert.All(together.Keys.Order(), name => Assert.True(Apart(together[name], alone[name]) < 2e-3, $"{name} is {Apart(together[name], alone[name])} off"));
        // Were padding seen, it would be in the scales of inputs and in the Hessians.
        Assert.Contains(together.Keys, name => name.EndsWith(".input_scale", StringComparison.Ordinal) && Apart(together[name], padded[name]) > 1e-2);
        Assert.Contains(together.Keys, name => name.EndsWith(".weight", StringComparison.Ordinal) && Apart(together[name], padded[name]) > 1e-2);

        Dictionary<string, float[]> Tensors(int[][] tokens, int tokensPerBatch, string target)
        {
            File.WriteAllLines(folder["rows.jsonl"], tokens.Select(row => $"{{\"ids\": [{string.Join(", ", row)}]}}"));
            var report = Quantizer.Run(Options("llama", "w8", folder) with
            {
                Target = folder[target],
                Recipe = new() { Weights = new() { Bits = 4 }, Activations = new(), KvCache = new(), Gptq = new() },
                CalibrationFile = folder["rows.jsonl"],
                Calibration = new CalibrationOptions { To = 1, TokensPerBatch = tokensPerBatch },
            });
            using var loaded = QuantizedLoader.Load(folder[target], new LoadOptions { Dtype = torch.ScalarType.Float32 });
            var values = new Dictionary<string, float[]>();
            foreach (var linear in report.Linears)
            {
                using var weight = ((QuantizedLinear)loaded.Model.Linear(linear.Path, linear.Block).Linear).Dequantize();
                values.Add(linear.Name + ".weight", weight.data<float>().ToArray());
                values.Add(linear.Name + ".input_scale", [linear.InputScale!.Value]);
            }

            foreach (var (attention, i) in loaded.Model.Context.Attentions.Select((attention, i) => (attention, i)))
                values.Add($"cache of block {i}", [.. attention.KvScales!.Keys, .. attention.KvScales.Values]);
            return values;
        }

        static double Apart(float[] a, float[] b) => Math.Sqrt(a.Zip(b, (x, y) => Math.Pow(x - y, 2)).Sum() / b.Sum(y => (double)y * y));
    }

    /// <summary>There, shuffling shows every stage other samples.</summary>
    [Fact]
    public void Defect06_EveryStageAndEveryRun_SeesTheSameTokens()
    {
        using var folder = new TemporaryFolder();
        var options = Options("llama", "w4-smooth-gptq", folder);
        var (first, second) = (Quantizer.Run(options with { Target = folder["a"] }), Quantizer.Run(options with { Target = folder["b"] }));
        Assert.Equal(first.CalibrationHash, second.CalibrationHash);
        foreach (var file in Directory.EnumerateFiles(folder["a"]).Select(Path.GetFileName))
            Assert.Equal(File.ReadAllBytes(Path.Combine(folder["a"], file!)), File.ReadAllBytes(Path.Combine(folder["b"], file!)));

        // Two passes over a unit's inputs give equal values in equal order.
        using var streamed = StreamedModel.Open(options.Source);
        var set = new CalibrationSet(Fixtures.Rows("llama", 6), 30);
        var inputs = new UnitInputs(set, streamed.Inputs, null, torch.CPU);
        Assert.True(inputs.Count > 1);
        Assert.Equal(set.Rows.SelectMany(row => row), Enumerable.Range(0, inputs.Count).SelectMany(i => Real(inputs.Batch(i))));
    }

    /// <summary>There, GPTQ runs the whole model once for every linear.</summary>
    [Fact]
    public void Defect07_Gptq_RunsABlockThreeTimesAtMost_WhateverItsLinears()
    {
        using var folder = new TemporaryFolder();
        using var streamed = StreamedModel.Open(Stories.Fixture("llama"));
        var set = new CalibrationSet(Fixtures.Rows("llama", 4), 2048);
        using var unit = new CountingUnit(new BlockUnit(streamed.LoadBlock(0)));
        var recipe = NamedRecipes.Get("w4-gptq", 32);
        var stream = new CalibrationFlow(folder.Path, set, streamed.Inputs, new CalibrationNeeds(recipe));
        using (var ends = streamed.LoadEnds())
        using (var start = stream.At(0, torch.CPU, writes: true))
        {
            start.Followed!.Forward(new EndsUnit(ends, isBefore: true), default);
            start.Complete();
        }

        using var flow = stream.At(1, torch.CPU, writes: true);
        var result = new UnitQuantizer(recipe, streamed.Structure).Run(unit, flow, _ => true, default);
        Assert.Equal(7, result.Linears.Count);
        Assert.Equal(2, unit.Runs); // Hessians of all linears, then the quantized block's output
        Assert.All(result.Reports, report => Assert.Equal(("gptq", 0.01, 0), (report.Method, report.Damping!.Value, report.Escalations)));
    }

    /// <summary>There, a factorisation that fails leaves the layer in floats and says nothing. (Escalation itself: the tests of GPTQ.)</summary>
    [Fact]
    public void Defect07_NoLayerIsSkipped_WhateverItsHessian_AndEachReportsItsDamping()
    {
        using var folder = new TemporaryFolder();
        // One token only: every Hessian has rank 1.
        File.WriteAllText(folder["one.jsonl"], "{\"ids\": [7, 7]}\n");
        var report = Quantizer.Run(Options("llama", "w4-gptq", folder) with { Target = folder["q"], CalibrationFile = folder["one.jsonl"] });
        Assert.Equal(3 * 7 + 1, report.Linears.Count);
        Assert.All(report.Linears, linear => Assert.True(linear is { Method: "gptq", Damping: > 0 }));
        using var checkpoint = Checkpoint.Open(folder["q"]);
        Assert.Equal(3 * 7 + 1, checkpoint.Tensors.Keys.Count(name => name.EndsWith(".qweight", StringComparison.Ordinal)));
    }

    /// <summary>There, floats are saved, and scales derived from them anew.</summary>
    [Fact]
    public void Defect08_FilesHoldTheCodesAndScales_ThatWereCalibrated()
    {
        using var folder = new TemporaryFolder();
        Quantizer.Run(Options("llama", "w4-gptq", folder) with { Target = folder["q"] });
        using var streamed = StreamedModel.Open(Stories.Fixture("llama"));
        using var loaded = QuantizedLoader.Load(folder["q"]);
        var sink = new Keep();
        new UnitLoop(streamed, NamedRecipes.Get("w4-gptq", 32), new CalibrationSet(Rows(folder), 2048), null, folder.Path).Run(0, sink, null, default);
        using var scope = torch.NewDisposeScope();
        Assert.Equal(3 * 7, sink.States.Count);
        foreach (var ((block, path), state) in sink.States)
        {
            var x = torch.eye(state.Weight.InWidth);
            var expected = torch.tensor(state.Weight.Dequantize(), [state.Weight.OutWidth, state.Weight.InWidth]).t();
            var actual = loaded.Model.Linear(path, block).Linear.Product(x, withBias: false);
            Assert.True((actual - expected).abs().max().item<float>() < 1e-6, path);
        }
    }

    /// <summary>There, bits of activations came from the flag of weights, and names of formats matched each other.</summary>
    [Fact]
    public void Defect13_BitsScalesAndKeptLayers_AreThoseOfTheRecipe()
    {
        using var folder = new TemporaryFolder();
        var recipe = new QuantRecipe
        {
            Weights = new() { Bits = 4, Per = Granularity.Group, GroupSize = 32 },
            Activations = new(),
            KvCache = new(),
            Keep = ["LlamaBlock.O", "Llama.Head"],
            Overrides = [new LayerOverride("LlamaBlock.Mlp.Down@1") { Weights = new() }],
        };
        Quantizer.Run(Options("llama", "w8", folder) with { Target = folder["q"], Recipe = recipe });
        using var loaded = QuantizedLoader.Load(folder["q"]);
        foreach (var slot in loaded.Model.Linears())
        {
            if (slot.Path is "LlamaBlock.O" or "Llama.Head")
                Assert.IsType<DenseLinear>(slot.Linear);
            else
                Assert.Equal((slot.Path == "LlamaBlock.Mlp.Down" && slot.Block == 1 ? 8 : 4, true), (Assert.IsType<QuantizedLinear>(slot.Linear).Bits, ((QuantizedLinear)slot.Linear).HasIntegerInput));
        }

        Assert.Equal(3, loaded.Model.Context.Attentions.Count);
        Assert.All(loaded.Model.Context.Attentions, attention => Assert.All(attention.KvScales!.Keys.Concat(attention.KvScales.Values), scale => Assert.InRange(scale, 1e-6f, 10)));
    }

    /// <summary>There, loading builds the float model and smooths it once more, with flags that have to be the same.</summary>
    [Fact]
    public void Defect14_TheFolderAloneLoads_AndGivesTheSameEveryTime()
    {
        using var folder = new TemporaryFolder();
        CopyFolder(Stories.Fixture("llama"), folder["source"]);
        var options = Options("llama", "w8a8-shift-smooth-all", folder) with { Target = folder["q"], Source = folder["source"] };
        Quantizer.Run(options);
        Directory.Delete(folder["source"], recursive: true);
        File.Delete(options.CalibrationFile!);
        Directory.Move(folder["q"], folder["elsewhere"]);
        using var scope = torch.NewDisposeScope();
        var batch = TokenBatch.LeftPadded(Fixtures.Rows("llama", 2, seed: 3), 0);
        var logits = Enumerable.Range(0, 2).Select(_ =>
        {
            using var loaded = QuantizedLoader.Load(folder["elsewhere"]);
            return Fixtures.Logits(loaded.Model, batch).data<float>().ToArray();
        }).ToList();
        Assert.Equal(logits[0], logits[1]);
    }

    private static IEnumerable<int> Real(TokenBatch batch) =>
        Enumerable.Range(0, batch.Rows).SelectMany(row => Enumerable.Range(0, batch.Length).Where(c => batch.IsReal(row, c)).Select(c => (int)batch[row, c]));

    private static int[][] Rows(TemporaryFolder folder) =>
        [.. new CalibrationFile(folder["calibration.jsonl"], null, null, CausalInputs.Instance, 320, new CalibrationOptions { To = 1 }).Read().Calibration.Rows];

    private static QuantizeOptions Options(string name, string recipe, TemporaryFolder folder) => new()
    {
        Source = Stories.Fixture(name),
        Target = "",
        Recipe = NamedRecipes.Get(recipe, groupSize: 32),
        CalibrationFile = Fixtures.Calibration(name, folder, count: 12),
        Calibration = new CalibrationOptions { To = 1 },
        EvaluationRows = 0,
    };

    private static void CopyFolder(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.EnumerateFiles(from))
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
    }

    /// <summary>Counts passes over one batch.</summary>
    private sealed class CountingUnit(BlockUnit inner) : Unit
    {
        public int Runs { get; private set; }

        public override int Block => inner.Block;

        public override string Title => inner.Title;

        public override IEnumerable<Generated.Architectures.WeightSlot> Slots => inner.Slots;

        public override BuildContext Context => inner.Context;

        public override torch.Tensor Run(torch.Tensor input, PassContext pass)
        {
            Runs++;
            return inner.Run(input, pass);
        }

        public override void Dispose() => inner.Dispose();

        protected override IEnumerable<Generated.Architectures.LinearSlot> FindLinears() => inner.Linears.Values;
    }

    private sealed class Keep : IUnitSink
    {
        public Dictionary<(int Block, string Path), LinearState> States { get; } = [];

        public void Block(BlockUnit unit, UnitResult result, UnitCost cost)
        {
            foreach (var (path, state) in result.Linears)
                States.Add((unit.Block, path), state);
        }

        public void Ends(Generated.Architectures.CausalModel model, IReadOnlyDictionary<string, LinearState> states, EmbeddingState? embedding, EndsReport report)
        {
        }
    }
}
