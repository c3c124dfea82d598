using Generated;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Passes;

public sealed class InputTests
{
    /// <summary>x is a token, a dot is padding.</summary>
    private static TokenBatch Batch(params string[] rows) => new(
        rows.Length, rows[0].Length, [.. rows.SelectMany(r => r).Select(_ => 5L)], [.. rows.SelectMany(r => r).Select(c => c == 'x')]);

    [Fact]
    public void CausalPositions_CountRealTokens_AndPadsHaveOne()
    {
        var inputs = CausalInputs.Instance.Prompt(Batch("xxxxx", "..xxx", "x..xx"));
        Assert.Equal([0, 1, 2, 3, 4, 1, 1, 0, 1, 2, 0, 1, 1, 1, 2], inputs.Positions);
        Assert.Equal([0, 2, 0], inputs.Mask.Starts);
        Assert.Equal([(0, 0), (0, 0), (1, 3)], inputs.Mask.Hidden);
        Assert.Null(inputs.Mask.PrefixEnds);
        Assert.Equal((0, 5, 5, 5), (inputs.Past, inputs.Length, inputs.Total, inputs.PromptLength));

        var next = CausalInputs.Instance.Continue(inputs);
        Assert.Equal([5, 3, 3], next.Positions);
        Assert.Equal((5, 1, 6, 5), (next.Past, next.Length, next.Total, next.PromptLength));
        var after = CausalInputs.Instance.Continue(next, 2);
        Assert.Equal([6, 7, 4, 5, 4, 5], after.Positions);
        Assert.Same(inputs.Mask, after.Mask);
        Assert.Equal((6, 2, 8, 5), (after.Past, after.Length, after.Total, after.PromptLength));
    }

    [Fact]
    public void NoPadding_IsPlainCausality() => Assert.True(CausalInputs.Instance.Prompt(Batch("xxx", "xxx")).Mask.IsCausal);

    [Theory]
    [InlineData("...", "Row 0 of the batch is padding only")]
    [InlineData("xx.", "Row 0 of the batch ends in padding; pad on the left")]
    [InlineData("x.x.x", "more than one run of padding")]
    public void MisplacedPadding_IsRefused(string row, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidInputException>(() => CausalInputs.Instance.Prompt(Batch(row))).Message, StringComparison.Ordinal);

    [Fact]
    public void LeftPaddedBatch_FillsUpWithThePadId()
    {
        var batch = TokenBatch.LeftPadded([[1, 2, 3], [4]], padId: 9);
        Assert.Equal([1, 2, 3, 9, 9, 4], batch.Ids);
        Assert.Equal([true, true, true, false, false, true], batch.Mask);
        Assert.Null(TokenBatch.LeftPadded([[1, 2], [3, 4]], 0).Mask);
        using var ids = batch.ToTensor(CPU);
        Assert.Equal([2, 3], ids.shape);
        Assert.Throws<InvalidInputException>(() => TokenBatch.LeftPadded([[1], []], 0));
        Assert.Throws<InvalidInputException>(() => TokenBatch.LeftPadded([], 0));
    }

    [Fact]
    public void ImpossibleSizes_AreRefused()
    {
        Assert.Throws<ArgumentException>(() => new TokenBatch(2, 2, [1, 2, 3]));
        Assert.Throws<ArgumentException>(() => new TokenBatch(1, 2, [1, 2], [true]));
        Assert.Throws<ArgumentException>(() => new SequenceInputs(1, 2, 0, [1], AttentionMask.Causal));
        Assert.Throws<ArgumentException>(() => new SequenceInputs(1, 2, 0, [1, 2], AttentionMask.Causal, [1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SequenceInputs(1, 0, 0, [], AttentionMask.Causal));
    }

    /// <summary>The tensors that layers add to scores, against the rule stated column by column.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void MaskTensors_SayWhatTheRuleSays(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 40; round++)
        {
            using var scope = NewDisposeScope();
            var (rows, past, length) = (random.Next(1, 4), random.Next(0, 5), random.Next(1, 6));
            var total = past + length;
            T[]? Maybe<T>(Func<T> make) => random.Next(2) == 0 ? null : [.. Enumerable.Range(0, rows).Select(_ => make())];
            var mask = new AttentionMask
            {
                Starts = Maybe(() => random.Next(0, total)),
                PrefixEnds = Maybe(() => random.Next(0, total + 1)),
                Hidden = Maybe(() =>
                {
                    var from = random.Next(0, total);
                    return (from, random.Next(from, total));
                }),
            };
            using var masks = new MaskCache(new SequenceInputs(rows, length, past, new long[rows * length], mask));
            foreach (var kind in new[] { new MaskKind(false, 0), new MaskKind(true, 0), new MaskKind(false, 2), new MaskKind(true, 3) })
            {
                var whole = masks.Additive(kind, ScalarType.Float32, CPU);
                Assert.Same(whole, masks.Additive(kind, ScalarType.Float32, CPU));
                var first = random.Next(0, length);
                var part = masks.Additive(kind, first, 1, ScalarType.Float32, CPU);
                var (wholes, parts, wholeRows) = (whole.data<float>().ToArray(), part.data<float>().ToArray(), (int)whole.shape[0]);
                var isCausal = true;
                for (var row = 0; row < rows; row++)
                    for (var query = 0; query < length; query++)
                        for (var key = 0; key < total; key++)
                        {
                            var sees = mask.Sees(row, past + query, key, kind.Prefix, kind.Window);
                            isCausal &= sees == (key <= past + query);
                            var bias = sees ? 0 : float.NegativeInfinity;
                            Assert.Equal(bias, wholes[(Math.Min(row, wholeRows - 1) * length + query) * total + key]);
                            if (query == first)
                                Assert.Equal(bias, parts[Math.Min(row, wholeRows - 1) * total + key]);
                        }

                Assert.True(isCausal || !masks.IsCausal(kind), "a mask that restricts was taken for plain causality");
            }
        }
    }

    [Fact]
    public void EveryQuery_SeesItself()
    {
        var random = new Random(5);
        for (var round = 0; round < 500; round++)
        {
            var from = random.Next(0, 9);
            var mask = new AttentionMask { Starts = [random.Next(0, 9)], PrefixEnds = [random.Next(0, 9)], Hidden = [(from, random.Next(from, 9))] };
            for (var query = 0; query < 9; query++)
                Assert.True(mask.Sees(0, query, query, round % 2 == 0, round % 3));
        }
    }

    [Fact]
    public void CacheTooShortOrOfOtherRows_IsRefused()
    {
        using var cache = KvCache.Dense([new CacheShape(2, 4)], batch: 2, maxLength: 5, ScalarType.Float32, CPU);
        Assert.Equal(2 * 2 * 2 * 5 * 4 * sizeof(float), cache.Bytes);
        var message = Assert.Throws<InvalidInputException>(() => new PassContext(new SequenceInputs(2, 3, 3, new long[6], AttentionMask.Causal), cache)).Message;
        Assert.Contains("6 tokens do not fit a KV cache of 5", message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new PassContext(new SequenceInputs(1, 3, 0, new long[3], AttentionMask.Causal), cache));
    }

    [Fact]
    public void GrownCache_KeepsWhatIsUsed()
    {
        using var scope = NewDisposeScope();
        using var cache = KvCache.Dense([new CacheShape(2, 4)], batch: 2, maxLength: 5, ScalarType.Float32, CPU);
        var (keys, values) = (randn(2, 2, 3, 4), randn(2, 2, 3, 4));
        cache.Slots[0].Write(keys, values, 1);
        cache.Grow(9, used: 4);
        Assert.Equal(9, cache.MaxLength);
        var (k, v) = cache.Slots[0].Read(4);
        Assert.True(k.narrow(2, 1, 3).eq(keys).all().item<bool>() && v.narrow(2, 1, 3).eq(values).all().item<bool>());
        cache.Grow(3, used: 3);
        Assert.Equal(9, cache.MaxLength);
    }
}
