using System.Runtime.InteropServices;
using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Generation;
using Generated.Layers;
using Generated.Loading;
using Generated.Parallel;
using Generated.Passes;
using Generated.Training;
using Generated.Verification;
using TorchSharp;
using static TorchSharp.torch;

/// <summary>
/// A model that a group of ranks has divided, against the same model whole: logits, greedy tokens, loss and gradients, and
/// where they are recorded, against what the original implementation gave. Used with ranks that are threads, with MPI and with NCCL;
/// both models are on the group's device.
/// </summary>
internal sealed class RankParity
{
    private const double Tolerance = 1e-4;

    private readonly ICollective _group;
    private readonly CausalModel _whole;
    private readonly CausalModel _divided;
    private readonly List<string> _problems = [];

    private RankParity(ICollective group, CausalModel whole, CausalModel divided) => (_group, _whole, _divided) = (group, whole, divided);

    /// <summary>A recorded checkpoint; every rank gets what differs on it, nothing if all is well.</summary>
    internal static IReadOnlyList<string> OfRecorded(ICollective group, string folder, double absolute)
    {
        using var scope = NewDisposeScope();
        using var whole = ModelLoader.Load(folder, new LoadOptions { Device = group.Device, Dtype = ScalarType.Float32, Trainable = true });
        using var divided = ModelLoader.Load(folder, new LoadOptions { Device = group.Device, Dtype = ScalarType.Float32, Trainable = true, TensorParallel = group });
        using var golden = Checkpoint.Open(Path.Combine(folder, "golden.safetensors"));
        var parity = new RankParity(group, whole.Model, divided.Model);
        foreach (var result in new Verifier(divided, golden, absolute).Run().Where(r => !r.IsOk))
            parity._problems.Add($"recorded {result.Name}: {result.MaxAbsolute:g3} {result.Note}");
        if (!golden.Tensors.ContainsKey("logits") || !golden.Tensors.ContainsKey("greedy_tokens") || !golden.Tensors.ContainsKey("greedy_tokens.batch"))
            parity._problems.Add("the golden file lacks logits or greedy tokens");
        var inputs = new GoldenInputs(golden);
        parity.CompareLogits(inputs.Batch(0, inputs.Rows), model => inputs.Inputs(model.Inputs, 0, inputs.Rows));
        parity.CompareLosses(inputs.Batch(0, 1), model => inputs.Inputs(model.Inputs, 0, 1), Gradients(golden));
        return parity._problems;
    }

    /// <summary>
    /// A recorded checkpoint whose norms and residuals are divided by positions, on a batch whose length no number of ranks
    /// divides, and on the recorded row.
    /// </summary>
    internal static IReadOnlyList<string> OfPositions(ICollective group, string folder)
    {
        using var scope = NewDisposeScope();
        using var whole = ModelLoader.Load(folder, new LoadOptions { Device = group.Device, Dtype = ScalarType.Float32, Trainable = true });
        using var divided = ModelLoader.Load(folder, new LoadOptions { Device = group.Device, Dtype = ScalarType.Float32, Trainable = true, TensorParallel = group, SequenceParallel = true });
        using var golden = Checkpoint.Open(Path.Combine(folder, "golden.safetensors"));
        var parity = new RankParity(group, whole.Model, divided.Model);
        var inputs = new GoldenInputs(golden);
        parity.CompareLosses(inputs.Batch(0, 1), model => inputs.Inputs(model.Inputs, 0, 1), Gradients(golden));
        int[] row = [.. inputs.Batch(0, 1).Ids.Select(id => (int)id), 7];
        parity.Compare(row);
        parity.CompareShapes(row);
        return parity._problems;
    }

    /// <summary>A variant of a recorded config with random weights.</summary>
    internal static IReadOnlyList<string> OfVariant(ICollective group, ParityCases.Variant variant, string fixtures)
    {
        using var scope = NewDisposeScope();
        var (architecture, config) = ModelLoader.ReadConfig(variant.Config(fixtures));
        using var whole = architecture.Create(config, new BuildOptions { Device = group.Device, Trainable = true });
        using var divided = architecture.Create(config, new BuildOptions { Device = group.Device, Trainable = true, TensorParallel = group });
        FillBoth(whole, divided);
        if (variant.TrainsBiasesOnly)
            foreach (var slot in whole.Weights().Concat(divided.Weights()).Where(slot => slot.Spec.Kind != TensorKind.Bias))
                slot.Parameter!.RequiresGrad = false;
        using var golden = Checkpoint.Open(Path.Combine(fixtures, variant.Folder, "golden.safetensors"));
        var parity = new RankParity(group, whole, divided);
        parity.Compare([.. new GoldenInputs(golden).Batch(0, 1).Ids.Select(id => (int)id)]);
        return parity._problems;
    }

    private static Dictionary<string, Tensor> Gradients(ITensorSource golden) => golden.Tensors.Keys
        .Where(name => name.StartsWith("grad.", StringComparison.Ordinal))
        .ToDictionary(name => name["grad.".Length..], name => golden.Load(name));

    private static void FillBoth(CausalModel whole, CausalModel divided)
    {
        using var _ = no_grad();
        using var generator = new Generator(7);
        foreach (var (slot, part) in Slots(whole, divided))
        {
            // Drawn on the CPU: the same numbers for every device.
            using var values = zeros([.. slot.Shape]);
            values.normal_(0, slot.Shape.Count == 1 ? 0.2 : 0.2 / Math.Sqrt(slot.Shape[^1] / 64.0), generator: generator);
            if (slot.Layer is INorm && slot.Spec.Kind == TensorKind.Weight)
                values.add_(1);
            slot.Parameter!.Value.copy_(values);
            foreach (var piece in part.Pieces())
            {
                using var target = part.View(piece);
                using var source = values.narrow(Math.Max(part.ShardAxis, 0), piece.Source.Start, piece.Source.Length);
                target.copy_(source);
            }
        }
    }

    private static IEnumerable<(WeightSlot Whole, WeightSlot Part)> Slots(CausalModel whole, CausalModel divided) =>
        whole.Weights().Zip(divided.Weights()).Where(pair => !pair.First.IsTied && pair.First.Parameter!.RequiresGrad);

    private void Compare(int[] row)
    {
        int[][] rows = [row, row[3..]];
        var batch = TokenBatch.LeftPadded(rows, 0);
        CompareLogits(batch, model => model.Inputs.Prompt(batch));
        CompareLosses(batch, model => model.Inputs.Prompt(batch), []);
        foreach (var prompts in new[] { rows[..1], rows })
        {
            var options = new GenerationOptions { MaxTokens = 8, EosIds = [] };
            var (expected, actual) = (Greedy(_whole), Greedy(_divided));
            if (!expected.SequenceEqual(actual))
                _problems.Add($"greedy tokens of {prompts.Length} row(s): {string.Join(' ', actual)} instead of {string.Join(' ', expected)}");

            List<int> Greedy(CausalModel model) => [.. new TextGenerator(model, null).Complete(prompts, options).SelectMany(text => text.Ids)];
        }
    }

    /// <summary>Between linears a rank has its positions and no others.</summary>
    private void CompareShapes(int[] row)
    {
        using var _ = no_grad();
        var batch = TokenBatch.LeftPadded([row], 0);
        using var ids = batch.ToTensor(_group.Device);
        var lengths = new Lengths();
        using (var pass = new PassContext(_divided.Inputs.Prompt(batch)) { Probe = lengths })
            _divided.Full(ids, pass).Dispose();
        var expected = (row.Length + _group.Size - 1) / _group.Size;
        if (lengths.Hidden.Count != _divided.AllBlocks.Count + 1 || lengths.Hidden.Any(length => length != expected))
            _problems.Add($"hidden states have {string.Join(", ", lengths.Hidden)} positions instead of {expected}");
    }

    private sealed class Lengths : IProbe
    {
        public List<long> Hidden { get; } = [];

        void IProbe.Hidden(int index, Tensor value) => Hidden.Add(value.shape[1]);

        void IProbe.Named(string name, Tensor value)
        {
        }

        void IProbe.LinearInput(int block, string site, Tensor value)
        {
        }
    }

    private void CompareLogits(TokenBatch batch, Func<CausalModel, SequenceInputs> inputs)
    {
        using var _ = no_grad();
        using var ids = batch.ToTensor(_group.Device);
        var isReal = tensor([.. Enumerable.Range(0, batch.Rows * batch.Length).Select(i => batch.IsReal(i / batch.Length, i % batch.Length))], device: _group.Device);
        Near("logits", Logits(_whole), Logits(_divided));

        Tensor Logits(CausalModel model)
        {
            using var pass = new PassContext(inputs(model));
            return model.Full(ids, pass).masked_fill(isReal.view(batch.Rows, batch.Length, 1).logical_not(), 0);
        }
    }

    /// <summary>Loss and gradients, of logits that are joined and of logits that no rank has whole.</summary>
    private void CompareLosses(TokenBatch batch, Func<CausalModel, SequenceInputs> inputs, Dictionary<string, Tensor> recorded)
    {
        if (_divided.Parameters().Sum(p => p.Value.numel()) > 0.85 * _divided.ParameterCount)
            _problems.Add("a rank holds most of the model");
        var loss = Joined(_whole);
        Near("loss", loss, Joined(_divided));
        CompareGradients("loss", recorded);
        using var pass = new PassContext(inputs(_divided)) { GatherLogits = false };
        Near("loss of divided logits", loss, Backward(_divided, DividedLoss(batch, pass)));
        CompareGradients("loss of divided logits", []);

        Tensor Joined(CausalModel model)
        {
            using var whole = new PassContext(inputs(model));
            return Backward(model, Trainer.Loss(model, batch, whole));
        }
    }

    private Tensor DividedLoss(TokenBatch batch, PassContext pass)
    {
        using var ids = batch.ToTensor(_group.Device);
        var range = VocabRange.Of(_divided.Weights().Select(w => w.Layer).OfType<Embedding>().First().Count, _group);
        var logits = _divided.Full(ids, pass);
        if (logits.shape[^1] != range.Length)
            _problems.Add($"a rank has {logits.shape[^1]} logits instead of {range.Length}");
        var labels = new long[batch.Rows * batch.Length];
        for (var i = 0; i < labels.Length; i++)
        {
            var (row, column) = (i / batch.Length, i % batch.Length);
            labels[i] = column + 1 < batch.Length && batch.IsReal(row, column) && batch.IsReal(row, column + 1) ? batch[row, column + 1] : -100;
        }

        return VocabParallel.CrossEntropy(logits, tensor(labels, device: _group.Device).view(batch.Rows, batch.Length), range, _group);
    }

    private static Tensor Backward(CausalModel model, Tensor loss)
    {
        foreach (var parameter in model.Parameters())
            parameter.Value.grad?.zero_();
        GradientNode.Backpropagate(loss);
        return loss.detach();
    }

    private void CompareGradients(string what, Dictionary<string, Tensor> recorded)
    {
        var known = 0;
        foreach (var (slot, part) in Slots(_whole, _divided))
        {
            using var scope = NewDisposeScope();
            var name = $"{what}, gradient of {slot.Name}";
            if (Gather(part, name) is not { } gathered)
                continue;
            var expected = slot.Parameter!.Value.grad!;
            Near(name, expected, gathered, expected.abs().max().item<float>());
            if (!recorded.TryGetValue(slot.Name, out var golden))
                continue;
            known++;
            golden = slot.Spec.StoredInOut && golden.dim() == 2 ? golden.t() : golden;
            Near($"recorded {name}", golden, gathered, golden.abs().max().item<float>());
        }

        if (known != recorded.Count)
            _problems.Add($"{recorded.Count - known} of the recorded gradients were compared with nothing");
    }

    /// <summary>The whole gradient from all ranks' parts. Together they cover it, and ranks that hold the same part agree.</summary>
    private Tensor? Gather(WeightSlot slot, string name)
    {
        var own = slot.Parameter!.Value.grad;
        if (own is null)
        {
            _problems.Add($"{name}: there is none");
            return null;
        }

        var axis = Math.Max(slot.ShardAxis, 0);
        var whole = zeros([.. slot.Shape]);
        var isSet = zeros([slot.Shape[axis]], ScalarType.Bool);
        using var _ = no_grad();
        foreach (var message in _group.AllGatherBytes(Message(slot, own, axis)))
        {
            using var reader = new BinaryReader(new MemoryStream(message));
            for (var pieces = reader.ReadInt32(); pieces > 0; pieces--)
            {
                var (start, length) = (reader.ReadInt64(), reader.ReadInt64());
                long[] shape = [.. slot.Shape];
                shape[axis] = length;
                var bytes = reader.ReadBytes(checked((int)shape.Aggregate(sizeof(float), (long a, long b) => a * b)));
                var part = tensor(MemoryMarshal.Cast<byte, float>(bytes).ToArray()).view(shape);
                var place = whole.narrow(axis, start, length);
                var isHeld = isSet.narrow(0, start, length);
                if (isHeld.any().item<bool>() && (place - part).abs().max().item<float>() > 1e-5 * part.abs().max().item<float>())
                    _problems.Add($"{name}: ranks that hold the same part differ");
                place.copy_(part);
                isHeld.fill_(true);
            }
        }

        if (!isSet.all().item<bool>())
            _problems.Add($"{name}: the ranks do not cover it");
        return whole;
    }

    private static byte[] Message(WeightSlot slot, Tensor gradient, int axis)
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        var pieces = slot.Pieces().ToList();
        writer.Write(pieces.Count);
        foreach (var piece in pieces)
        {
            writer.Write(piece.Source.Start);
            writer.Write(piece.Source.Length);
            using var part = gradient.narrow(axis, piece.Target, piece.Source.Length).to(CPU).contiguous();
            writer.Write(MemoryMarshal.AsBytes<float>(part.data<float>().ToArray()));
        }

        writer.Flush();
        return bytes.ToArray();
    }

    /// <summary>|a − b| ≤ 1e-4 · (size of the values), which is 1 unless given; gradients are measured by their largest value.</summary>
    private void Near(string what, Tensor expected, Tensor actual, double size = 1)
    {
        using var scope = NewDisposeScope();
        if (!expected.shape.AsSpan().SequenceEqual(actual.shape))
        {
            _problems.Add($"{what} has the shape [{string.Join(", ", actual.shape)}] instead of [{string.Join(", ", expected.shape)}]");
            return;
        }

        var difference = (expected.detach().cpu() - actual.detach().cpu()).abs().max().item<float>();
        // Some gradients are zero but for rounding (a key's bias shifts all scores alike).
        if (!(difference <= Tolerance * size + 1e-6))
            _problems.Add($"{what} differs by {difference:g3}, values are of size {size:g3}");
    }
}
