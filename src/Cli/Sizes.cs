using System.Globalization;

namespace Generated.Cli;

/// <summary>Sizes on the command line, such as <c>5GB</c>.</summary>
internal static class Sizes
{
    private static readonly (string Suffix, long Factor)[] Units =
        [("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("KIB", 1 << 10), ("MIB", 1 << 20), ("GIB", 1 << 30), ("B", 1), ("", 1)];

    /// <summary>Reads a number of bytes with an optional unit.</summary>
    /// <exception cref="InvalidInputException">It is no positive size.</exception>
    public static long Parse(string text)
    {
        var upper = text.Trim().ToUpperInvariant();
        var (suffix, factor) = Units.First(unit => upper.EndsWith(unit.Suffix, StringComparison.Ordinal));
        var digits = upper[..^suffix.Length].TrimEnd();
        if (double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number * factor is >= 1 and < long.MaxValue)
            return (long)(number * factor);
        throw new InvalidInputException($"'{text}' is no size: use a number with B, KB, MB, GB, KiB, MiB or GiB.");
    }
}
