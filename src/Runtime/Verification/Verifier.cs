using System.Globalization;
using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Generation;
using Generated.Layers;
using Generated.Loading;
using Generated.Parallel;
using Generated.Passes;
using Generated.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Verification;

/// <summary>
/// Compares a loaded checkpoint with values that its original implementation gave, recorded in a safetensors file: <c>logits</c> and
/// <c>hidden.*</c> of one pass over <c>input_ids</c> (real tokens only), <c>greedy_tokens</c> continuing row 0 and <c>greedy_tokens.batch</c>
/// the padded batch (exactly; below float32, within the tolerance of the best logit), <c>loss</c> (mean cross entropy over row 0) and <c>grad.NAME</c>, its gradients by checkpoint name.
/// Where the model is one of its architecture's variants, and the file has <c>alt.VARIANT.*</c>, these are compared instead;
/// <c>default.*</c> are values of the model called with ids alone.
/// </summary>
public sealed class Verifier
{
    private const string Hidden = "hidden.";
    private const string Gradient = "grad.";

    private readonly LoadedModel _loaded;
    private readonly ITensorSource _golden;
    private readonly GoldenInputs _inputs;
    private readonly double _absolute;
    private readonly double _relative;
    private readonly string _prefix;

    /// <param name="loaded">The model; float32 on the CPU for the tolerances to mean what they say.</param>
    /// <param name="golden">The recorded values.</param>
    /// <param name="absolute">atol of |a − b| ≤ atol + rtol · |b|.</param>
    /// <param name="relative">rtol.</param>
    /// <param name="idsOnly">Whether <c>default.*</c> is compared: what the model gives without recorded mask and positions.</param>
    /// <exception cref="InvalidInputException">The golden file has no usable inputs or nothing to compare.</exception>
    public Verifier(LoadedModel loaded, ITensorSource golden, double absolute = 1e-4, double relative = 1e-3, bool idsOnly = false)
    {
        ArgumentNullException.ThrowIfNull(loaded);
        ArgumentNullException.ThrowIfNull(golden);
        _loaded = loaded;
        _golden = golden;
        _absolute = absolute;
        _relative = relative;
        _ = golden.Info("input_ids");
        _prefix = idsOnly ? "default." : loaded.Variants.Select(variant => $"alt.{variant}.").FirstOrDefault(prefix => HasValues(golden, prefix), "");
        if (!HasValues(golden, _prefix))
            throw new InvalidInputException($"{golden.Location} holds nothing to compare: {_prefix}logits, hidden.N, greedy_tokens, loss or grad.NAME.");
        _inputs = new GoldenInputs(golden, idsOnly ? Rows(golden) : 0);
        RequireKnown("input_ids", _inputs.Ids);
    }

    private CausalModel Model => _loaded.Model;

    /// <summary>Compares everything that the file holds, in a fixed order, as it is computed.</summary>
    public IEnumerable<Comparison> Run()
    {
        foreach (var result in CompareForward())
            yield return OverRanks(result);
        foreach (var result in CompareGreedy())
            yield return OverRanks(result);
        foreach (var result in CompareGradients())
            yield return OverRanks(result);
    }

    /// <summary>The worst of all ranks of a tensor-parallel group, each of which sees its own part of a gradient.</summary>
    private Comparison OverRanks(Comparison own)
    {
        var group = Model.Context.Group;
        if (group.Size == 1)
            return own;
        using var worst = tensor(new[] { Number(own.MaxAbsolute), Number(own.MaxRelative), own.IsOk ? 0.0 : 1.0 }, device: group.Device);
        group.AllReduce(worst, Reduction.Max);
        using var host = worst.cpu();
        var values = host.data<double>().ToArray();
        return own with { MaxAbsolute = values[0], MaxRelative = values[1], IsOk = values[2] == 0 };

        // A maximum over ranks could lose a NaN.
        static double Number(double value) => double.IsNaN(value) ? double.PositiveInfinity : value;
    }

    private void RequireKnown(string name, IReadOnlyList<long> ids)
    {
        var vocabulary = Model.Vocabulary();
        foreach (var id in ids)
            if (id < 0 || id >= vocabulary)
                throw new InvalidInputException($"{_golden.Location}: {name} holds the token {id}, and the model's vocabulary has {vocabulary}: it was recorded from another model.");
    }

    /// <summary>Number of rows that values of a model called with ids alone have.</summary>
    private int Rows(ITensorSource golden) => (int)golden.Tensors.First(tensor => tensor.Key.StartsWith(_prefix, StringComparison.Ordinal)).Value.Shape.FirstOrDefault(1);

    private static bool HasValues(ITensorSource golden, string prefix) =>
        golden.Tensors.Keys.Any(name => name.StartsWith(prefix, StringComparison.Ordinal) && IsComparable(name[prefix.Length..]));

    private static bool IsComparable(string name) =>
        name is "logits" or "greedy_tokens" or "greedy_tokens.batch" or "loss" || name.StartsWith(Hidden, StringComparison.Ordinal) || name.StartsWith(Gradient, StringComparison.Ordinal);

    /// <summary>Names of recorded values, without the variant's prefix.</summary>
    private List<string> Recorded(Func<string, bool> isWanted) =>
        [.. _golden.Tensors.Keys.Where(name => name.StartsWith(_prefix, StringComparison.Ordinal)).Select(name => name[_prefix.Length..]).Where(isWanted)];

    private List<Comparison> CompareForward()
    {
        var names = Recorded(name => name == "logits" || name.StartsWith(Hidden, StringComparison.Ordinal));
        var results = new List<Comparison>();
        if (names.Count == 0)
            return results;
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        using var recorder = new Recorder(names.ToHashSet(StringComparer.Ordinal));
        using var pass = new PassContext(_inputs.Inputs(Model.Inputs, 0, _inputs.Rows)) { Probe = recorder };
        var logits = Model.Full(_inputs.Batch(0, _inputs.Rows).ToTensor(Model.Device), pass);
        foreach (var name in names.OrderBy(Order).ThenBy(name => name, StringComparer.Ordinal))
        {
            var actual = name == "logits" ? logits : recorder[name];
            results.Add(actual is null
                ? new Comparison(_prefix + name, double.NaN, double.NaN, false) { Note = "the model has no such value" }
                : CompareReal(_prefix + name, actual.cpu(), _golden.Load(_prefix + name)));
        }

        return results;
    }

    /// <summary>hidden.0 to hidden.N by number, other hidden values, then the logits.</summary>
    private static int Order(string name) =>
        name == "logits" ? int.MaxValue
        : int.TryParse(name.AsSpan(Hidden.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index
        : int.MaxValue - 1;

    /// <summary>Compares [B, T, n] values where the tokens are real.</summary>
    private Comparison CompareReal(string name, Tensor actual, Tensor expected)
    {
        if (!actual.shape.AsSpan().SequenceEqual(expected.shape) || actual.dim() != 3)
            return TensorComparison.Compare(name, actual, expected, _absolute, _relative);
        var real = Enumerable.Range(0, _inputs.Rows * _inputs.Length)
            .Where(i => _inputs.IsReal(i / _inputs.Length, i % _inputs.Length)).Select(i => (long)i).ToArray();
        var index = tensor(real);
        return TensorComparison.Compare(name, Rows(actual), Rows(expected), _absolute, _relative);

        Tensor Rows(Tensor x) => x.reshape(-1, x.shape[2]).index_select(0, index);
    }

    private IEnumerable<Comparison> CompareGreedy()
    {
        if (_golden.Tensors.ContainsKey(_prefix + "greedy_tokens"))
            yield return CompareTokens(_prefix + "greedy_tokens", 0, 1);
        if (_golden.Tensors.ContainsKey(_prefix + "greedy_tokens.batch"))
            yield return CompareTokens(_prefix + "greedy_tokens.batch", 0, _inputs.Rows);
    }

    private Comparison CompareTokens(string name, int firstRow, int rows)
    {
        var info = _golden.Info(name);
        var expected = GoldenInputs.Integers(_golden, name);
        if (info.Shape.Count != 2 || info.Shape[0] != rows || info.Shape[1] == 0)
            throw new InvalidInputException($"{_golden.Location}: {info} has to have the shape [{rows}, steps].");
        RequireKnown(name, expected);
        var steps = (int)info.Shape[1];
        var (prompt, inputs) = (_inputs.Batch(firstRow, rows), _inputs.Inputs(Model.Inputs, firstRow, rows));
        if (Model.Dtype is not (ScalarType.Float32 or ScalarType.Float64))
        {
            var (gap, share, isOk) = ForcedDecoding.Compare(Model, prompt, inputs, expected, _absolute, _relative);
            return new Comparison(name, gap, share, isOk) { Note = isOk ? null : "a recorded token's logit falls short of the best by this much" };
        }

        var actual = new long[expected.Length];
        using var loop = new TokenLoop(Model, prompt, new GenerationOptions { MaxTokens = steps }, inputs);
        for (var step = 0; step < steps; step++)
        {
            var next = loop.Next();
            for (var row = 0; row < rows; row++)
                actual[row * steps + step] = next[row];
        }

        return TensorComparison.CompareTokens(name, actual, expected);
    }

    private List<Comparison> CompareGradients()
    {
        // Packed weights take no gradients.
        var names = Recorded(name => name.StartsWith(Gradient, StringComparison.Ordinal) && FindSlot(name[Gradient.Length..]).Parameter is not null)
            .Order(StringComparer.Ordinal).ToList();
        var results = new List<Comparison>();
        var hasLoss = _golden.Tensors.ContainsKey(_prefix + "loss");
        if (names.Count == 0 && !hasLoss)
            return results;
        using var scope = torch.NewDisposeScope();
        var slots = names.ToDictionary(name => name, name => FindSlot(name[Gradient.Length..]));
        var takesGradients = slots.Values.Select(slot => slot.Parameter!).Distinct().ToDictionary(parameter => parameter, parameter => parameter.RequiresGrad);
        foreach (var parameter in takesGradients.Keys)
            parameter.RequiresGrad = true;
        try
        {
            using var pass = new PassContext(_inputs.Inputs(Model.Inputs, 0, 1));
            var loss = Trainer.Loss(Model, _inputs.Batch(0, 1), pass);
            if (hasLoss)
                results.Add(TensorComparison.Compare(_prefix + "loss", loss.reshape(1), _golden.Load(_prefix + "loss").reshape(1), _absolute, _relative));
            if (names.Count > 0)
                GradientNode.Backpropagate(loss);
            results.AddRange(names.Select(name => CompareGradient(_prefix + name, slots[name])));
        }
        finally
        {
            foreach (var (parameter, before) in takesGradients)
            {
                parameter.Value.grad = null;
                parameter.RequiresGrad = before;
            }
        }

        return results;
    }

    private Comparison CompareGradient(string name, WeightSlot slot)
    {
        var gradient = slot.Parameter!.Value.grad;
        if (gradient is null)
            return new Comparison(name, double.NaN, double.NaN, false) { Note = "the loss does not depend on it" };
        var whole = _golden.Load(name);
        if (!whole.shape.AsSpan().SequenceEqual([.. slot.FileShape]))
            return TensorComparison.Compare(name, slot.Spec.StoredInOut ? gradient.t() : gradient, whole, _absolute, _relative);
        var expected = slot.Spec.StoredInOut ? whole.t() : whole;
        if (slot.ShardAxis >= 0)
            expected = cat([.. slot.Ranges.Select(range => expected.narrow(slot.ShardAxis, range.Start, range.Length))], slot.ShardAxis);
        return TensorComparison.Compare(name, gradient, expected, _absolute, _relative);
    }

    private WeightSlot FindSlot(string name)
    {
        var prefix = _loaded.Architecture.OptionalPrefix is { } p ? p.TrimEnd('.') + "." : null;
        return Model.Weights().FirstOrDefault(slot => (slot.Parameter is not null || slot.Layer is Linear) && (slot.Name == name || (prefix is not null && (slot.Name == prefix + name || prefix + slot.Name == name))))
            ?? throw new InvalidInputException($"{_golden.Location}: {Gradient}{name} names no weight of the model.");
    }
}
