namespace Generated.Architectures;

/// <summary>How Paddle's file lays out a matrix that Hugging Face's canonical form has as [out, in].</summary>
public enum PaddleLayout
{
    /// <summary>As it is.</summary>
    Same,

    /// <summary>[in, out].</summary>
    Transposed,
}

/// <summary>One tensor of a checkpoint as the declaration says it: known without building the model.</summary>
/// <param name="Layer">Declared path within its class, for example <c>Mlp.Gate</c>.</param>
/// <param name="Kind">Which of the layer's tensors it is.</param>
/// <param name="Name">Hugging Face name.</param>
/// <param name="Shape">Canonical shape: a linear's weight is [out, in].</param>
public sealed record TensorSpec(string Layer, TensorKind Kind, string Name, IReadOnlyList<long> Shape)
{
    /// <summary>Whether the Hugging Face file has it transposed, as GPT-2's Conv1D.</summary>
    public bool StoredInOut { get; init; }

    /// <summary>Paddle's name; null where there is no Paddle counterpart.</summary>
    public string? Paddle { get; init; }

    /// <summary>How Paddle's file lays it out.</summary>
    public PaddleLayout PaddleLayout { get; init; }

    /// <summary>Paddle's names where it stores the output in sections; then <see cref="Paddle"/> is null.</summary>
    public IReadOnlyList<string> PaddleSections { get; init; } = [];

    /// <summary>How the output is cut into sections; null where it is not.</summary>
    public OutputSection? Sections { get; init; }

    /// <summary>The Hugging Face name of the tensor it shares; then the Hugging Face file has no tensor of its own for it, but see <see cref="KeepsTied"/>.</summary>
    public string? TiedTo { get; init; }

    /// <summary>Whether the Hugging Face file holds a copy where the matrix is shared.</summary>
    public bool KeepsTied { get; init; }

    /// <summary>The Hugging Face name of the tensor of which Paddle's model always has the matrix; its file has no tensor of its own for it.</summary>
    public string? PaddleTiedTo { get; init; }

    /// <summary>How PaddleNLP's tensor-parallel shards hold it.</summary>
    public PaddleSplit PaddleSplit { get; init; }
}

/// <summary>Which tensor of a layer.</summary>
public enum TensorKind
{
    /// <summary>The weight.</summary>
    Weight,

    /// <summary>The bias.</summary>
    Bias,
}
