using System.Numerics;

namespace Generated.Generation;

/// <summary>
/// xoshiro256** (Blackman and Vigna, 2018), seeded through SplitMix64. The same seed gives the same numbers on every machine
/// and device, and the four words of state can be saved and restored.
/// </summary>
public sealed class Xoshiro256
{
    private ulong _a, _b, _c, _d;

    /// <summary>Starts from a seed; any value will do.</summary>
    public Xoshiro256(ulong seed)
    {
        _a = SplitMix(ref seed);
        _b = SplitMix(ref seed);
        _c = SplitMix(ref seed);
        _d = SplitMix(ref seed);
    }

    /// <summary>Continues from saved words.</summary>
    /// <exception cref="InvalidInputException">They are not four, or all zero.</exception>
    public Xoshiro256(IReadOnlyList<ulong> state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (state.Count != 4 || state.All(word => word == 0))
            throw new InvalidInputException("A random state has to be four words that are not all zero.");
        (_a, _b, _c, _d) = (state[0], state[1], state[2], state[3]);
    }

    /// <summary>The four words of state.</summary>
    public ulong[] State => [_a, _b, _c, _d];

    /// <summary>The next 64 random bits.</summary>
    public ulong NextBits()
    {
        var result = BitOperations.RotateLeft(_b * 5, 7) * 9;
        var shifted = _b << 17;
        _c ^= _a;
        _d ^= _b;
        _b ^= _c;
        _a ^= _d;
        _c ^= shifted;
        _d = BitOperations.RotateLeft(_d, 45);
        return result;
    }

    /// <summary>A number in [0, 1), one of 2^53 equally likely.</summary>
    public double NextDouble() => (NextBits() >> 11) * (1.0 / (1L << 53));

    /// <summary>A whole number in [0, <paramref name="limit"/>), each equally likely.</summary>
    public long NextLong(long limit)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        // The high word of a 64×64 product; the few low words that would favour some results are drawn again (Lemire, 2019).
        var high = Math.BigMul(NextBits(), (ulong)limit, out var low);
        var biased = unchecked(0UL - (ulong)limit) % (ulong)limit;
        while (low < biased)
            high = Math.BigMul(NextBits(), (ulong)limit, out low);
        return (long)high;
    }

    /// <summary>Puts the items into a random order (Fisher and Yates).</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (var i = items.Length - 1; i > 0; i--)
        {
            var j = (int)NextLong(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    private static ulong SplitMix(ref ulong state)
    {
        var z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
