using System.Globalization;

namespace Generated.Checkpoints.Pickle;

/// <summary>Walks the nested dicts of a state dict: names of nested values are joined by dots.</summary>
internal static class PickleTree
{
    private const int Deepest = 8;
    private const int MostValues = 1 << 18;
    private const int LongestName = 1024;

    /// <summary>A value that is no container, and its dotted name.</summary>
    public readonly record struct Leaf(string Name, object? Value);

    /// <param name="root">The value of the pickle.</param>
    /// <param name="path">The file, for messages.</param>
    /// <param name="isTensor">Whether a value is a tensor of the format, even if it is made of a tuple.</param>
    /// <exception cref="InvalidInputException">The values are nested too deeply or are too many (a pickle can hold the same dict many times).</exception>
    public static List<Leaf> Leaves(object? root, string path, Func<object?, bool> isTensor)
    {
        var leaves = new List<Leaf>();
        var visited = 0;
        Walk("", root, 0);
        return leaves;

        void Walk(string name, object? value, int depth)
        {
            if (depth > Deepest)
                throw new InvalidInputException($"{path} nests its values more than {Deepest} deep at {Describe.Name(name)}.");
            if (++visited > MostValues)
                throw new InvalidInputException($"{path} holds more than {MostValues} values.");
            if (name.Length > LongestName)
                throw new InvalidInputException($"{path} has a name of more than {LongestName} characters: {Describe.Name(name)}.");
            switch (value)
            {
                case PickleDict dict:
                    foreach (var (key, item) in dict.Items)
                        Walk(Join(name, key), item, depth + 1);
                    break;
                case PickleList list:
                    Number(list.Items);
                    break;
                case PickleTuple tuple when !isTensor(tuple):
                    Number(tuple.Items);
                    break;
                default:
                    leaves.Add(new Leaf(name, value));
                    break;
            }

            void Number(IEnumerable<object?> items)
            {
                var i = 0;
                foreach (var item in items)
                    Walk(Join(name, (i++).ToString(CultureInfo.InvariantCulture)), item, depth + 1);
            }
        }
    }

    /// <summary>The value as text, for metadata; null for what has no short text.</summary>
    public static string? Text(object? value) => value switch
    {
        null => "None",
        bool flag => flag ? "True" : "False",
        long number => number.ToString(CultureInfo.InvariantCulture),
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        PickleBytes { IsText: true, Length: < 4096 } text => text.ToText(),
        _ => null,
    };

    private static string Join(string name, string key) => name.Length == 0 ? key : $"{name}.{key}";
}
