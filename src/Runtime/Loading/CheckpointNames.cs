using Generated.Checkpoints;

namespace Generated.Loading;

/// <summary>
/// Finds a weight's tensor in a file whose names may have, or lack, the model's first component: published GPT-2 and BLOOM files
/// leave <c>transformer.</c> out, PaddleNLP's base models the name of the architecture.
/// </summary>
internal sealed class CheckpointNames(ITensorSource file, CheckpointLayout layout, string? optionalPrefix)
{
    /// <summary>The name in the file, or null.</summary>
    public string? Find(string name)
    {
        if (file.Tensors.ContainsKey(name))
            return name;
        if (optionalPrefix is not null)
        {
            var prefix = optionalPrefix.EndsWith('.') ? optionalPrefix : optionalPrefix + ".";
            var other = name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : prefix + name;
            if (file.Tensors.ContainsKey(other))
                return other;
        }

        var dot = layout == CheckpointLayout.Paddle ? name.IndexOf('.', StringComparison.Ordinal) : -1;
        return dot >= 0 && file.Tensors.ContainsKey(name[(dot + 1)..]) ? name[(dot + 1)..] : null;
    }
}
