namespace Generated.Generation;

/// <summary>
/// Draws the next token of one sequence from float32 logits on the CPU, always by the same arithmetic, so that a seed reproduces
/// whatever device computed the logits. The order is that of transformers: repetition penalty, temperature, top-k, top-p, min-p.
/// </summary>
internal sealed class Sampler
{
    private readonly GenerationOptions _options;
    private readonly Xoshiro256 _random;
    private readonly HashSet<int> _seen = [];
    private readonly PriorityQueue<int, (double Weight, int Order)> _largest = new();
    private float[] _logits = [];
    private double[] _weights = [];
    private int[] _ids = [];

    /// <param name="options">Checked options.</param>
    /// <param name="seed">Where the random numbers start.</param>
    public Sampler(GenerationOptions options, ulong seed)
    {
        _options = options;
        _random = new Xoshiro256(seed);
    }

    /// <summary>Whether the logits' arg max is the answer, so that they need not leave the device.</summary>
    public static bool IsArgMax(GenerationOptions options) => options.IsGreedy && options.RepetitionPenalty == 1;

    /// <summary>Remembers tokens for the repetition penalty.</summary>
    public void Observe(IEnumerable<int> ids)
    {
        if (_options.RepetitionPenalty != 1)
            _seen.UnionWith(ids);
    }

    /// <summary>The next token; it is remembered for the repetition penalty.</summary>
    /// <param name="logits">One value per token of the vocabulary.</param>
    /// <exception cref="GeneratedException">The logits hold NaN or nothing finite.</exception>
    public int Next(ReadOnlySpan<float> logits)
    {
        Reserve(logits.Length);
        var row = _logits.AsSpan(0, logits.Length);
        logits.CopyTo(row);
        Penalise(row);
        var best = IndexOfMax(row);
        if (!float.IsFinite(row[best]))
            throw new GeneratedException("The model's logits hold NaN or infinity; the weights are damaged or the dtype's range is too small (try --dtype float32).");
        var id = _options.IsGreedy ? best : Draw(row, row[best]);
        if (_options.RepetitionPenalty != 1)
            _seen.Add(id);
        return id;
    }

    /// <summary>The first largest value; a NaN, where there is one, so that it is noticed.</summary>
    private static int IndexOfMax(ReadOnlySpan<float> row)
    {
        var best = 0;
        for (var i = 1; i < row.Length; i++)
        {
            if (row[i] > row[best] || float.IsNaN(row[i]))
                best = i;
            if (float.IsNaN(row[best]))
                break;
        }

        return best;
    }

    private void Penalise(Span<float> row)
    {
        if (_options.RepetitionPenalty == 1)
            return;
        var penalty = (float)_options.RepetitionPenalty;
        foreach (var id in _seen)
        {
            if ((uint)id < (uint)row.Length)
                row[id] = row[id] > 0 ? row[id] / penalty : row[id] * penalty;
        }
    }

    private int Draw(ReadOnlySpan<float> row, float max)
    {
        // Weights are exp((logit − max) / T): probabilities up to a common factor, 1 for the most probable token.
        var count = 0;
        double total = 0;
        for (var id = 0; id < row.Length; id++)
        {
            var weight = Math.Exp((row[id] - (double)max) / _options.Temperature);
            if (weight == 0)
                continue;
            (_weights[count], _ids[count++]) = (weight, id);
            total += weight;
        }

        if (_options.TopK > 0 && _options.TopK < count)
            total = KeepLargest(_options.TopK, ref count);
        if (_options.TopP < 1)
            total = KeepNucleus(total, ref count);
        if (_options.MinP > 0)
            total = KeepFrom(_options.MinP, ref count);

        var target = _random.NextDouble() * total;
        for (var i = 0; i < count - 1; i++)
        {
            target -= _weights[i];
            if (target < 0)
                return _ids[i];
        }

        return _ids[count - 1];
    }

    /// <summary>Keeps the k largest weights, equal ones by lower id; returns their sum.</summary>
    private double KeepLargest(int k, ref int count)
    {
        _largest.Clear();
        for (var i = 0; i < count; i++)
        {
            if (_largest.Count < k)
                _largest.Enqueue(i, (_weights[i], -_ids[i]));
            else if (_largest.TryPeek(out _, out var least) && _weights[i] > least.Weight)
                _largest.EnqueueDequeue(i, (_weights[i], -_ids[i]));
        }

        // Indices of the heap in ascending order, so that moving down never overwrites what is still to be moved.
        var kept = _largest.UnorderedItems.Select(item => item.Element).Order().ToArray();
        count = 0;
        double sum = 0;
        foreach (var i in kept)
        {
            (_weights[count], _ids[count++]) = (_weights[i], _ids[i]);
            sum += _weights[i];
        }

        return sum;
    }

    /// <summary>Keeps the fewest largest weights that together reach top-p of all; returns their sum.</summary>
    private double KeepNucleus(double total, ref int count)
    {
        // Weights so small that all of them together lie outside the nucleus need no sorting.
        KeepFrom((1 - _options.TopP) * total / count, ref count);
        Sort(count);
        double sum = 0;
        var kept = 0;
        while (kept < count && sum < _options.TopP * total)
            sum += _weights[kept++];
        count = kept;
        return sum;
    }

    /// <summary>Keeps the weights from a bound on; returns their sum.</summary>
    private double KeepFrom(double least, ref int count)
    {
        var kept = 0;
        double sum = 0;
        for (var i = 0; i < count; i++)
        {
            if (_weights[i] < least)
                continue;
            (_weights[kept], _ids[kept++]) = (_weights[i], _ids[i]);
            sum += _weights[i];
        }

        count = kept;
        return sum;
    }

    /// <summary>Sorts the first weights, largest first, equal ones by lower id.</summary>
    private void Sort(int count)
    {
        var weights = _weights.AsSpan(0, count);
        var ids = _ids.AsSpan(0, count);
        weights.Sort(ids, static (left, right) => right.CompareTo(left));
        // The sort is not stable: ties are settled run by run.
        for (var start = 0; start < count;)
        {
            var end = start + 1;
            while (end < count && weights[end] == weights[start])
                end++;
            if (end - start > 1)
                ids[start..end].Sort();
            start = end;
        }
    }

    private void Reserve(int vocabulary)
    {
        if (_logits.Length >= vocabulary)
            return;
        _logits = new float[vocabulary];
        _weights = new double[vocabulary];
        _ids = new int[vocabulary];
    }
}
