using System.CommandLine;
using System.Numerics;

namespace Generated.Cli;

/// <summary>Numbers of a command line that have to lie in a range.</summary>
internal static class Numbers
{
    /// <summary>The value of an option.</summary>
    /// <exception cref="InvalidInputException">It is below the least possible one.</exception>
    public static T AtLeast<T>(this ParseResult parse, Option<T> option, T least)
        where T : IBinaryInteger<T> =>
        parse.GetRequiredValue(option) is var value && value >= least ? value : throw new InvalidInputException($"{option.Name} is {value}; it has to be at least {least}.");

    /// <summary>The value of an option, such as a tolerance.</summary>
    /// <exception cref="InvalidInputException">It is negative or no number.</exception>
    public static double NotNegative(this ParseResult parse, Option<double> option) =>
        parse.GetValue(option) is var value && value >= 0 ? value : throw new InvalidInputException(FormattableString.Invariant($"{option.Name} is {value}; it has to be 0 or more."));
}
