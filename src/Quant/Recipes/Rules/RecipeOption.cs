using System.Globalization;

namespace Generated.Quant.Recipes.Rules;

/// <summary>One option of a recipe's section: how it is read, set and checked, whoever names it (an attribute, a JSON key, a message).</summary>
internal sealed class RecipeOption
{
    private readonly Func<object, bool> _allows;

    private RecipeOption(string name, Type type, Func<object, object> get, Func<object, object, object> with, Func<object, bool> allows, string allowed)
    {
        (Name, Type, Get, With, Allowed) = (name, type, get, with, allowed);
        _allows = allows;
    }

    /// <summary>Name of the property.</summary>
    public string Name { get; }

    /// <summary><c>int</c>, <c>double</c>, <c>bool</c> or an enumeration.</summary>
    public Type Type { get; }

    /// <summary>Reads it from a section.</summary>
    public Func<object, object> Get { get; }

    /// <summary>The section with another value.</summary>
    public Func<object, object, object> With { get; }

    /// <summary>The values it may have, in words.</summary>
    public string Allowed { get; }

    /// <summary>Whether it may have a value of its type.</summary>
    public bool Allows(object value) => _allows(value);

    public static RecipeOption Whole<T>(string name, Func<T, int> get, Func<T, int, T> with, int least, int most = int.MaxValue) =>
        new(name, typeof(int), s => get((T)s), (s, v) => with((T)s, (int)v)!, v => (int)v >= least && (int)v <= most,
            most == int.MaxValue ? $"a whole number of at least {Text(least)}" : $"a whole number from {Text(least)} to {Text(most)}");

    public static RecipeOption OneOf<T>(string name, Func<T, int> get, Func<T, int, T> with, params int[] values) =>
        new(name, typeof(int), s => get((T)s), (s, v) => with((T)s, (int)v)!, v => Array.IndexOf(values, (int)v) >= 0,
            string.Join(" or ", values.Select(v => Text(v))));

    public static RecipeOption Multiple<T>(string name, Func<T, int> get, Func<T, int, T> with, int of) =>
        new(name, typeof(int), s => get((T)s), (s, v) => with((T)s, (int)v)!, v => (int)v > 0 && (int)v % of == 0, $"a multiple of {Text(of)}");

    /// <summary>A number from <paramref name="least"/> (or above it) to <paramref name="most"/>.</summary>
    public static RecipeOption Real<T>(string name, Func<T, double> get, Func<T, double, T> with, double least, double most, bool above = false) =>
        new(name, typeof(double), s => get((T)s), (s, v) => with((T)s, (double)v)!,
            v => (above ? (double)v > least : (double)v >= least) && (double)v <= most,
            $"a number {(above ? "above" : "from")} {Text(least)} {(above ? "up to" : "to")} {Text(most)}");

    public static RecipeOption Flag<T>(string name, Func<T, bool> get, Func<T, bool, T> with) =>
        new(name, typeof(bool), s => get((T)s), (s, v) => with((T)s, (bool)v)!, _ => true, "true or false");

    /// <summary>A member of an enumeration; only some of them, where any are named.</summary>
    public static RecipeOption Choice<T, TEnum>(string name, Func<T, TEnum> get, Func<T, TEnum, T> with, params TEnum[] only)
        where TEnum : struct, Enum
    {
        var members = only.Length > 0 ? only : (TEnum[])Enum.GetValues(typeof(TEnum));
        return new(name, typeof(TEnum), s => get((T)s), (s, v) => with((T)s, (TEnum)v)!, v => Array.IndexOf(members, (TEnum)v) >= 0,
            string.Join(" or ", members.Select(m => m.ToString())));
    }

    /// <summary>A value as messages write it.</summary>
    public static string Text(object value) => value switch
    {
        bool flag => flag ? "true" : "false",
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };
}
