using System.Globalization;
using System.Text;

namespace Generated.Generators.Graph.Text;

/// <summary>
/// Carries values to or from text. Each record lists its fields once, as <c>Name = t.Text(s?.Name)</c>: writing passes the
/// value through, reading ignores it and gives the one in the text. So the two directions cannot drift apart.
/// </summary>
internal sealed class Transfer
{
    private const char Separator = ';';
    private const char Escape = '\\';
    private const string Null = "~";

    private readonly StringBuilder? _written;
    private readonly string _read;
    private int _position;

    private Transfer(StringBuilder? written, string read)
    {
        _written = written;
        _read = read;
    }

    public static Transfer Writing() => new(new StringBuilder(), "");

    public static Transfer Reading(string text) => new(null, text);

    /// <summary>Whether everything has been read.</summary>
    public bool IsAtEnd => _position == _read.Length;

    public override string ToString() => _written?.ToString() ?? _read;

    public string? OptionalText(string? value)
    {
        if (_written is null) return Unescape(Next());
        _written.Append(value is null ? Null : Escaped(value)).Append(Separator);
        return value;
    }

    public string Text(string? value) => OptionalText(value ?? (_written is null ? null : "")) ?? throw new FormatException("A text is missing.");

    public long Number(long value) => long.Parse(Text(value.ToString(CultureInfo.InvariantCulture)), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);

    public int Integer(int value) => checked((int)Number(value));

    public bool Flag(bool value) => Number(value ? 1 : 0) switch { 0 => false, 1 => true, _ => throw new FormatException("A flag is neither 0 nor 1.") };

    public T Choice<T>(T value) where T : struct, Enum
    {
        var choice = (T)Enum.ToObject(typeof(T), Integer(Convert.ToInt32(value, CultureInfo.InvariantCulture)));
        return Enum.IsDefined(typeof(T), choice) ? choice : throw new FormatException($"{choice} is not a {typeof(T).Name}.");
    }

    public T? Optional<T>(T? value, Func<T?, T> carry) where T : class => Flag(value is not null) ? carry(value) : null;

    public EquatableArray<T> List<T>(EquatableArray<T>? values, Func<T?, T> carry) where T : class, IEquatable<T>
    {
        var items = new List<T>();
        for (int i = 0, count = Count(values?.Count ?? 0); i < count; i++) items.Add(carry(_written is null ? null : values!.Value[i]));
        return items.ToEquatableArray();
    }

    public EquatableArray<int> Integers(EquatableArray<int>? values)
    {
        var items = new List<int>();
        for (int i = 0, count = Count(values?.Count ?? 0); i < count; i++) items.Add(Integer(_written is null ? 0 : values!.Value[i]));
        return items.ToEquatableArray();
    }

    private int Count(int count)
    {
        count = Integer(count);
        var most = _written is null ? _read.Length - _position : count;
        return count >= 0 && count <= most ? count : throw new FormatException($"A list of {count} cannot fit.");
    }

    private string Next()
    {
        for (var end = _position; end < _read.Length; end++)
        {
            if (_read[end] == Escape) end++;
            else if (_read[end] == Separator)
            {
                var token = _read.Substring(_position, end - _position);
                _position = end + 1;
                return token;
            }
        }

        throw new FormatException("The text ends early.");
    }

    private static string Escaped(string value) => value == Null
        ? Escape + Null
        : value.Replace("\\", "\\\\").Replace(";", "\\;").Replace("\n", "\\n");

    private static string? Unescape(string token)
    {
        if (token == Null) return null;
        if (token.IndexOf(Escape) < 0) return token;
        var text = new StringBuilder(token.Length);
        for (var i = 0; i < token.Length; i++)
        {
            if (token[i] != Escape) text.Append(token[i]);
            else text.Append(token[++i] == 'n' ? '\n' : token[i]);
        }

        return text.ToString();
    }
}
