using System.Globalization;
using System.Text;

namespace Generated.Tokenization.Chat.Jinja;

/// <summary>The functions that templates find: Jinja's and the two that Hugging Face adds.</summary>
internal static class Functions
{
    private const long LongestRange = 100_000; // as in Jinja's sandbox

    public static readonly IReadOnlyDictionary<string, object?> All = new Dictionary<string, object?>
    {
        ["raise_exception"] = (Callable)(call => throw new JinjaException($"the template refuses these messages: {Values.ToText(call.Get(0, "message"))}", call.Line)),
        ["range"] = (Callable)Range,
        ["namespace"] = (Callable)CreateNamespace,
        ["dict"] = (Callable)CreateDict,
        ["strftime_now"] = (Callable)(call => FormatTime(DateTime.Now, Values.ToText(call.Require(0, "format")), call.Line)),
    };

    private static object? Range(CallArguments call)
    {
        if (call.Positional.Count is 0 or > 3 || call.Positional.Any(p => p is not long))
            throw new JinjaException("range needs one to three whole numbers.", call.Line);
        long[] p = [.. call.Positional.Cast<long>()];
        long start = p.Length > 1 ? p[0] : 0, stop = p.Length > 1 ? p[1] : p[0], step = p.Length > 2 ? p[2] : 1;
        if (step == 0)
            throw new JinjaException("range: the step is zero.", call.Line);
        if (Math.Abs((double)stop - start) / Math.Abs((double)step) > LongestRange)
            throw new JinjaException($"range: more than {LongestRange} numbers.", call.Line);
        var numbers = new List<object?>();
        for (long n = start; step > 0 ? n < stop : n > stop; n += step)
            numbers.Add(n);
        return numbers;
    }

    private static Namespace CreateNamespace(CallArguments call)
    {
        var space = new Namespace();
        foreach (var (name, value) in CreateDict(call))
            space.Members[name] = value;
        return space;
    }

    private static Dict CreateDict(CallArguments call)
    {
        var dict = new Dict();
        foreach (object? given in call.Positional)
        {
            foreach (var (name, value) in given as Dict ?? throw new JinjaException("dict and namespace take dictionaries and named values.", call.Line))
                dict[name] = value;
        }
        foreach (var (name, value) in call.Named)
            dict[name] = value;
        return dict;
    }

    /// <summary>The directives of strftime that templates use.</summary>
    internal static string FormatTime(DateTime time, string format, int line)
    {
        var text = new StringBuilder();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                text.Append(format[i]);
                continue;
            }
            string pattern = format[++i] switch
            {
                'Y' => "yyyy",
                'y' => "yy",
                'm' => "MM",
                'B' => "MMMM",
                'b' => "MMM",
                'd' => "dd",
                'A' => "dddd",
                'a' => "ddd",
                'H' => "HH",
                'I' => "hh",
                'M' => "mm",
                'S' => "ss",
                'p' => "tt",
                '%' => "'%'",
                var other => throw new JinjaException($"strftime_now: %{other} is not supported.", line),
            };
            text.Append(time.ToString(" " + pattern, CultureInfo.InvariantCulture).AsSpan(1));
        }
        return text.ToString();
    }
}
