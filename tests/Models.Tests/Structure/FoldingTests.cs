using Generated.Architectures;
using Generated.Layers;
using Generated.Passes;
using Generated.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Models.Tests.Structure;

/// <summary>
/// What the structure says of norms and scale pairs, tried: where it says that a scale can move, moving it leaves the logits as
/// they were; where it says that it cannot, moving it changes them.
/// </summary>
public sealed class FoldingTests
{
    private const double Tolerance = 2e-4;

    public static TheoryData<string> Names => [.. Families.All.Keys];

    [Theory, MemberData(nameof(Names))]
    public void NormScales_MoveWhereTheStructureSaysSo(string name)
    {
        using var trial = new Trial(name);
        foreach (var group in trial.Structure.NormGroups.Where(g => g.Linears.Count > 0))
        {
            var change = trial.Change(blocks =>
            {
                foreach (var block in blocks(group.Norm))
                {
                    using var scale = trial.NewScale(trial.Weight(group.Norm, block).shape[0]);
                    trial.Weight(group.Norm, block).div_(scale);
                    if (group.HasBias) trial.Bias(group.Norm, block)!.div_(scale);
                    foreach (var linear in group.Linears) trial.Weight(linear, block).mul_(scale);
                }
            });
            Assert.True(group.IsFoldable == change < Tolerance, $"{group.Norm} is {(group.IsFoldable ? "foldable" : $"not foldable ({group.Reason})")}, but folding changes logits by {change:g3}");
        }
    }

    [Theory, MemberData(nameof(Names))]
    public void PairScales_Move(string name)
    {
        using var trial = new Trial(name);
        foreach (var pair in trial.Structure.ScalePairs)
        {
            var change = trial.Change(blocks =>
            {
                foreach (var block in blocks(pair.Source))
                {
                    var rows = Rows(pair, trial.Weight(pair.Source, block).shape[0]);
                    using var scale = trial.NewScale(rows.Length);
                    using var index = tensor(rows);
                    trial.Weight(pair.Source, block).index_put_(trial.Weight(pair.Source, block).index_select(0, index).div(scale.unsqueeze(1)), index);
                    if (trial.Bias(pair.Source, block) is { } bias) bias.index_put_(bias.index_select(0, index).div(scale), index);
                    using var repeated = Repeat(scale, pair.Heads);
                    foreach (var target in pair.Targets) trial.Weight(target, block).mul_(repeated);
                }
            });
            Assert.True(change < Tolerance, $"{pair.Source} → {string.Join(", ", pair.Targets)}: moving a scale changes logits by {change:g3}");
        }
    }

    /// <summary>The source's output rows that are meant.</summary>
    private static long[] Rows(ScalePair pair, long all)
    {
        if (pair.Section is not { } section) return [.. Enumerable.Range(0, (int)all).Select(i => (long)i)];
        var start = section.Widths.Take(section.Index).Sum();
        return [.. Enumerable.Range(0, section.Groups).SelectMany(group =>
            Enumerable.Range(0, section.Widths[section.Index]).Select(i => (long)((group * section.Widths.Sum()) + start + i)))];
    }

    /// <summary>Channel h·Width + d of an attention's result is channel (h / (Queries / Values))·Width + d of its values.</summary>
    private static Tensor Repeat(Tensor scale, HeadLayout? heads) => heads is null
        ? scale.clone()
        : scale.view(heads.Values, 1, heads.Width).expand(heads.Values, heads.Queries / heads.Values, heads.Width).reshape(-1).clone();

    /// <summary>A tiny model with random weights that can be changed and restored.</summary>
    private sealed class Trial : IDisposable
    {
        private readonly CausalModel _model;
        private readonly torch.Generator _random = new(11);
        private readonly Tensor _logits;

        public Trial(string name)
        {
            var config = Families.All[name];
            _model = Families.ArchitectureOf(config).Create(config, new BuildOptions());
            WeightInitializer.Initialize(_model, seed: 3, deviation: 0.4);
            using var noGrad = no_grad();
            // Norms and biases that are not 1 and 0, so that a wrong fold shows.
            foreach (var parameter in _model.Parameters().Where(p => p.Value.dim() == 1))
            {
                using var noise = randn(parameter.Value.shape, generator: _random).mul_(0.2);
                parameter.Value.add_(noise);
            }

            _logits = Logits();
        }

        public ModelStructure Structure => _model.Structure;

        public void Dispose()
        {
            _logits.Dispose();
            _model.Dispose();
            _random.Dispose();
        }

        /// <summary>Positive factors around 1, none of them 1.</summary>
        public Tensor NewScale(long count) => rand(count, generator: _random).add_(1.2);

        public Tensor Weight(string path, int block) => Slot(path, block, TensorKind.Weight)!.Parameter!.Value;

        public Tensor? Bias(string path, int block) => Slot(path, block, TensorKind.Bias)?.Parameter!.Value;

        /// <summary>The largest difference of logits that a change of weights makes; the weights are restored.</summary>
        /// <param name="change">The change; it is given the blocks (−1: outside blocks) that have a layer.</param>
        public float Change(Action<Func<string, IEnumerable<int>>> change)
        {
            using var noGrad = no_grad();
            using var scope = NewDisposeScope();
            var before = _model.Parameters().Select(p => (p.Value, Copy: p.Value.clone())).ToList();
            change(path => path.Contains("Block.", StringComparison.Ordinal) ? Enumerable.Range(0, _model.AllBlocks.Count) : [-1]);
            var difference = (Logits() - _logits).abs().max().item<float>();
            foreach (var (value, copy) in before) value.copy_(copy);
            return difference;
        }

        private Tensor Logits()
        {
            using var noGrad = no_grad();
            var batch = TokenBatch.LeftPadded([Families.Tokens], 0);
            using var ids = batch.ToTensor(_model.Device);
            using var pass = new PassContext(_model.Inputs.Prompt(batch));
            return _model.Full(ids, pass);
        }

        private WeightSlot? Slot(string path, int block, TensorKind kind)
        {
            var member = path[(path.IndexOf('.', StringComparison.Ordinal) + 1)..];
            var slots = block < 0 ? _model.Weights() : _model.AllBlocks[block].Weights();
            return slots.FirstOrDefault(s => s.Spec.Layer == member && s.Spec.Kind == kind);
        }
    }
}
