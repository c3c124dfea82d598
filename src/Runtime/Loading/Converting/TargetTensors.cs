using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Checkpoints.Views;

namespace Generated.Loading.Converting;

/// <summary>The tensors of a converted checkpoint as views of the source's: renamed, transposed, cut or joined, of another type.</summary>
/// <param name="source">The source's weights.</param>
/// <param name="architecture">The architecture.</param>
/// <param name="target">Whose names and axes are wanted.</param>
/// <param name="type">Type of the weights; null keeps each one's.</param>
internal sealed class TargetTensors(WeightSource source, ArchitectureInfo architecture, CheckpointLayout target, DType? type)
{
    /// <summary>The weights, in the order of the declaration.</summary>
    /// <param name="ranks">How tensor-parallel ranks share them; null for one undivided checkpoint.</param>
    /// <param name="rank">The rank.</param>
    /// <exception cref="InvalidInputException">The layout has no place for one of them, or it cannot be divided.</exception>
    public IEnumerable<TensorView> Weights(RankLayout? ranks = null, int rank = 0)
    {
        if (target == CheckpointLayout.Paddle)
            source.CheckPaddleTies();
        foreach (var spec in source.Specs)
        {
            foreach (var tensor in Stored(spec))
            {
                var view = source.View(spec).Narrow(0, tensor.Rows.Start, tensor.Rows.Length);
                if (tensor.IsTransposed)
                    view = view.Transpose();
                if (ranks is not null)
                    view = ranks.Part(spec, tensor, view, rank);
                if (type is { } wanted)
                    view = view.Convert(wanted);
                yield return view.Rename(Name(tensor.Name));
            }
        }
    }

    /// <summary>The buffers that the target has too, as they are.</summary>
    public IEnumerable<TensorView> Buffers() =>
        from name in source.Unused
        let targetName = BufferName(name)
        where targetName is not null
        select TensorView.Of(source.File, name).Rename(targetName);

    /// <summary>The buffers that the target has no place for.</summary>
    public IEnumerable<TensorView> Homeless() => source.Unused.Where(name => BufferName(name) is null).Select(name => TensorView.Of(source.File, name));

    private IReadOnlyList<FileTensor> Stored(TensorSpec spec)
    {
        var isCopy = spec.TiedTo is not null;
        if (target == CheckpointLayout.HuggingFace)
            return isCopy && !spec.KeepsTied ? [] : FileTensor.Of(spec, target);

        // PaddleNLP's model without its head has no copy of a tied matrix either.
        if (spec.PaddleTiedTo is not null || (isCopy && (spec.Paddle is null || source.IsBaseModel)))
            return [];
        var tensors = FileTensor.Of(spec, target);
        return tensors.Count > 0
            ? tensors
            : throw new InvalidInputException($"{architecture.Name} has no Paddle counterpart of '{spec.Name}': write it in the Hugging Face layout.");
    }

    /// <summary>Files without the model's first component stay without it.</summary>
    private string Name(string name)
    {
        if (!source.IsBaseModel)
            return name;
        var prefix = target == CheckpointLayout.HuggingFace ? architecture.OptionalPrefix?.TrimEnd('.') + "." : PaddlePrefix;
        return prefix.Length > 1 && name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : name;
    }

    /// <summary>First component of the names of Paddle's model, which its files without a head lack.</summary>
    private string PaddlePrefix => field ??= source.Specs.Select(spec => spec.Paddle).OfType<string>().Select(name => name[..(name.IndexOf('.', StringComparison.Ordinal) + 1)]).First();

    private string? BufferName(string name)
    {
        if (source.Layout == target)
            return name;
        return target == CheckpointLayout.Paddle
            ? architecture.IgnoredInPaddle.GetValueOrDefault(name)
            : architecture.IgnoredInPaddle.FirstOrDefault(pair => pair.Value == name).Key;
    }
}
