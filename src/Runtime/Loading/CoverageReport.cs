using Generated.Checkpoints;

namespace Generated.Loading;

/// <summary>Everything in which a checkpoint differs from a model's weights, as one error.</summary>
internal sealed class CoverageReport(string location)
{
    private const int Listed = 8;

    private readonly List<string> _missing = [];
    private readonly List<string> _extra = [];
    private readonly List<string> _shapes = [];
    private readonly List<string> _types = [];
    private readonly List<string> _otherTypes = [];

    public void Missing(string name, IReadOnlyList<long> shape) => _missing.Add($"{Describe.Name(name)} {Describe.Shape([.. shape])}");

    public void Extra(TensorInfo info) => _extra.Add($"{Describe.Name(info.Name)} {Describe.Shape([.. info.Shape])}");

    public void WrongShape(TensorInfo info, IReadOnlyList<long> expected) =>
        _shapes.Add($"{Describe.Name(info.Name)} is {Describe.Shape([.. info.Shape])} instead of {Describe.Shape([.. expected])}");

    public void WrongType(TensorInfo info) => _types.Add($"{Describe.Name(info.Name)} {info.DType.SafetensorsName()}");

    public void WrongType(TensorInfo info, string expected) => _otherTypes.Add($"{Describe.Name(info.Name)} is {info.DType.SafetensorsName()} instead of {expected}");

    /// <exception cref="InvalidInputException">Anything was reported.</exception>
    public void ThrowIfAny()
    {
        string[] parts =
        [
            .. Part("it lacks", _missing), .. Part("it has tensors that the model does not know:", _extra),
            .. Part("of another shape:", _shapes), .. Part("of a type that is no float:", _types), .. Part("of another type:", _otherTypes),
        ];
        if (parts.Length > 0)
            throw new InvalidInputException($"The checkpoint {location} does not fit the model that its config.json describes: {string.Join("; ", parts)}.");
    }

    private static IEnumerable<string> Part(string title, List<string> items)
    {
        if (items.Count == 0)
            yield break;
        var rest = items.Count > Listed ? $" and {items.Count - Listed} more" : "";
        yield return $"{title} {string.Join(", ", items.Take(Listed))}{rest}";
    }
}
