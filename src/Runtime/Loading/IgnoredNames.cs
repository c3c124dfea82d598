using System.Text.RegularExpressions;

namespace Generated.Loading;

/// <summary>Names of tensors that files may have and that are not used; <c>{i}</c> in a declared name stands for any number.</summary>
internal sealed class IgnoredNames
{
    private readonly Regex? _names;

    public IgnoredNames(IReadOnlyList<string> patterns, string? optionalPrefix)
    {
        if (patterns.Count == 0)
            return;
        var prefix = optionalPrefix is null ? "" : $"(?:{Regex.Escape(optionalPrefix.TrimEnd('.'))}\\.)?";
        var names = patterns.Select(pattern =>
        {
            var bare = optionalPrefix is not null && pattern.StartsWith(optionalPrefix.TrimEnd('.') + ".", StringComparison.Ordinal)
                ? pattern[(optionalPrefix.TrimEnd('.').Length + 1)..] : pattern;
            return string.Join("[0-9]+", bare.Split("{i}").Select(Regex.Escape));
        });
        _names = new Regex($"^{prefix}(?:{string.Join('|', names)})$", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
    }

    public bool Contains(string name) => _names?.IsMatch(name) == true;
}
