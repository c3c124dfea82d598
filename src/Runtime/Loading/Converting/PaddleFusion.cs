using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Checkpoints.Views;
using Generated.Layers;

namespace Generated.Loading.Converting;

/// <summary>
/// Undoes what PaddleNLP's <c>fuse_attention_qkv</c> and <c>fuse_attention_ffn</c> do to a file (conversion_utils.split_param_func): linears that
/// share an input are one tensor there. <c>qkv_proj</c> holds the heads group by group: the query heads of a key/value head, that key head,
/// that value head; <c>gate_up_fused_proj</c> holds the gate's outputs, then the other branch's. Which linears share an input, which of them are
/// values and which the gated branch comes from the derived structure; the two names are PaddleNLP's for every model.
/// </summary>
internal static class PaddleFusion
{
    private const string Attention = "qkv_proj", Mlp = "gate_up_fused_proj";

    /// <summary>The file with a tensor per linear; the file itself where it fuses none.</summary>
    /// <param name="file">A file in Paddle's layout, whole or of one tensor-parallel rank.</param>
    /// <param name="architecture">The architecture.</param>
    /// <param name="config">Its typed config.</param>
    /// <exception cref="InvalidInputException">A fused tensor does not divide into its parts.</exception>
    public static ITensorSource Split(ITensorSource file, ArchitectureInfo architecture, object config)
    {
        if (!file.Tensors.Keys.Any(IsFused))
            return file;
        var names = new CheckpointNames(file, CheckpointLayout.Paddle, architecture.OptionalPrefix);
        var parts = new Dictionary<string, IReadOnlyList<TensorView>>(StringComparer.Ordinal);
        foreach (var fusion in Fusions(architecture.StructureOf(config), [.. architecture.TensorsOf(config)]))
        {
            if (fusion.Parts.All(part => names.Find(part) is null) && names.Find(fusion.Name) is { } name)
                parts[name] = [.. fusion.Split(TensorView.Of(file, name))];
        }

        return parts.Count == 0
            ? file
            : new ViewSource(file.Location, file.Tensors.Keys.SelectMany(name => parts.GetValueOrDefault(name) ?? [TensorView.Of(file, name)]), file.Metadata);
    }

    private static bool IsFused(string name) => name.Split('.') is [.., Attention or Mlp, _];

    /// <summary>Everything that PaddleNLP may fuse, weights and biases.</summary>
    private static IEnumerable<Fusion> Fusions(ModelStructure structure, IReadOnlyList<TensorSpec> specs)
    {
        // Linears that Hugging Face fuses and Paddle does not.
        foreach (var spec in specs.Where(spec => spec.PaddleSections.Count > 0 && spec.Sections is not null))
        {
            if (OfAttention(structure, spec.PaddleSections, spec.Sections!.Widths, IsTransposed(spec)) is { } fusion)
                yield return fusion;
        }

        var byName = specs.Where(spec => spec.Paddle is not null).ToDictionary(spec => spec.Name, StringComparer.Ordinal);
        foreach (var group in structure.FusedGroups)
        {
            var linears = Ordered(structure, group);
            foreach (var kind in new[] { ".weight", ".bias" })
            {
                for (var block = 0; Members(block) is [var first, ..] members; block++)
                {
                    string[] paddle = [.. members.Select(spec => spec.Paddle!)];
                    var fusion = members.Count == 2
                        ? Fusion.Create(Mlp, paddle, [1, 1], IsTransposed(first))
                        : OfAttention(structure, paddle, [.. members.Select(spec => (int)spec.Shape[0])], IsTransposed(first));
                    if (fusion is not null)
                        yield return fusion;
                    if (!linears[0].Name.Contains("{i}", StringComparison.Ordinal))
                        break;
                }

                IReadOnlyList<TensorSpec> Members(int block)
                {
                    var found = linears.Select(linear => byName.GetValueOrDefault(linear.Name.Replace("{i}", $"{block}", StringComparison.Ordinal) + kind)).OfType<TensorSpec>().ToArray();
                    return found.Length == linears.Count ? found : [];
                }
            }
        }
    }

    /// <summary>A group's linears in PaddleNLP's order: q, k, v as they are evaluated, values last; the gate before the branch that it gates. None for other groups.</summary>
    private static IReadOnlyList<LinearInfo> Ordered(ModelStructure structure, FusedGroup group)
    {
        var isMlp = group.Linears.Count == 2;
        var last = structure.ScalePairs.FirstOrDefault(pair => pair.Kind == (isMlp ? ScalePairKind.Up : ScalePairKind.Value) && group.Linears.Contains(pair.Source))?.Source;
        return last is null || (!isMlp && (group.Linears.Count != 3 || group.Linears[2] != last))
            ? []
            : [.. group.Linears.OrderBy(path => path == last).Select(structure.Linear)];
    }

    private static Fusion? OfAttention(ModelStructure structure, IReadOnlyList<string> parts, IReadOnlyList<int> widths, bool isTransposed)
    {
        var heads = structure.Attentions.Select(attention => attention.Heads)
            .FirstOrDefault(heads => widths is [var q, var k, var v] && q == heads.Queries * heads.Width && k == heads.Values * heads.Width && v == k);
        return heads is null ? null : Fusion.Create(Attention, parts, [heads.Queries / heads.Values * heads.Width, heads.Width, heads.Width], isTransposed);
    }

    private static bool IsTransposed(TensorSpec spec) => spec.PaddleLayout == PaddleLayout.Transposed;

    /// <summary>A fused tensor.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Parts">Names of the tensors that it replaces.</param>
    /// <param name="Widths">Outputs of each part in one group; the groups fill the tensor. For halves, their proportion.</param>
    /// <param name="IsTransposed">Whether a matrix is [in, out].</param>
    private sealed record Fusion(string Name, IReadOnlyList<string> Parts, IReadOnlyList<int> Widths, bool IsTransposed)
    {
        /// <summary>The fusion of tensors under one parent; null where they are not.</summary>
        public static Fusion? Create(string name, IReadOnlyList<string> parts, IReadOnlyList<int> widths, bool isTransposed)
        {
            var paths = parts.Select(part => part.Split('.')).ToArray();
            var parent = string.Join('.', paths[0].SkipLast(2));
            return paths.All(path => path.Length > 2 && path[^1] == paths[0][^1] && string.Join('.', path.SkipLast(2)) == parent)
                ? new Fusion($"{parent}.{name}.{paths[0][^1]}", parts, widths, isTransposed)
                : null;
        }

        public IEnumerable<TensorView> Split(TensorView whole)
        {
            var axis = IsTransposed ? whole.Info.Shape.Count - 1 : 0;
            var (size, sum) = (whole.Info.Shape[axis], (long)Widths.Sum());
            if (size % sum != 0)
                throw new InvalidInputException($"Tensor {whole.Info} fuses {string.Join(", ", Parts)}: {size} is no multiple of their {string.Join(" + ", Widths)} outputs.");
            // Halves lie one behind the other, the heads of attention group by group.
            var groups = Parts.Count == 2 ? 1 : size / sum;
            var scale = size / (groups * sum);
            var parent = whole.Info.Name[..^(Name.Length - Name.LastIndexOf('.', Name.LastIndexOf('.') - 1))];
            long start = 0;
            for (var i = 0; i < Parts.Count; i++)
            {
                var name = parent + Parts[i][Parts[i].LastIndexOf('.', Parts[i].LastIndexOf('.') - 1)..];
                yield return whole.Unflatten(axis, groups, size / groups).Narrow(axis + 1, start, Widths[i] * scale).Flatten(axis, 2).Rename(name);
                start += Widths[i] * scale;
            }
        }
    }
}
