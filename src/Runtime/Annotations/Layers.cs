namespace Generated;

/// <summary>
/// Base of the attributes that turn a <c>partial</c> method into a layer. Widths are given by the name of an <c>int</c>
/// member of the config (<c>nameof(c.Hidden)</c>) or, in a part, of a constructor parameter.
/// </summary>
[AttributeUsage(AttributeTargets.Method, Inherited = false)]
public abstract class LayerAttribute : Attribute
{
    /// <summary>A <c>bool</c> config member; where it is false the layer is absent and passes its input through.</summary>
    public string? When { get; init; }

    /// <summary>The layer's name in PaddleNLP's checkpoints, relative to the class's Paddle prefix, where it differs.</summary>
    public string? Paddle { get; init; }
}

/// <summary>How a tensor-parallel group divides a linear layer; derived from the graph unless stated.</summary>
public enum Partition
{
    /// <summary>Derived from the graph.</summary>
    Auto,

    /// <summary>Every rank holds all of it.</summary>
    Replicated,

    /// <summary>Output features are divided.</summary>
    Column,

    /// <summary>Input features are divided; the result is summed over ranks.</summary>
    Row,
}

/// <summary>How PaddleNLP's tensor-parallel shards (<c>model_state.tp0X.pdparams</c>) hold a linear's weight.</summary>
public enum PaddleSplit
{
    /// <summary>As the derived partition divides it; heads of which there are fewer than ranks whole on each.</summary>
    Derived,

    /// <summary>Whole on every rank.</summary>
    Whole,

    /// <summary>Output features divided.</summary>
    Column,

    /// <summary>Sections q, k, v of the output reordered head by head, then divided (PaddleNLP's <c>is_old_qkv</c>).</summary>
    HeadByHead,
}

/// <summary>How a linear's weight lies in the Hugging Face file.</summary>
public enum WeightLayout
{
    /// <summary>[out, in], as torch.nn.Linear.</summary>
    OutIn,

    /// <summary>[in, out], as GPT-2's Conv1D.</summary>
    InOut,
}

/// <summary>A linear layer y = x·Wᵀ (+ b).</summary>
/// <param name="input">Member that is the input width.</param>
/// <param name="output">Member that is the output width.</param>
/// <param name="name">Checkpoint name, without <c>.weight</c> and <c>.bias</c>.</param>
public sealed class LinearAttribute(string input, string output, string name) : LayerAttribute
{
    /// <summary>Member that is the input width.</summary>
    public string Input { get; } = input;

    /// <summary>Member that is the output width.</summary>
    public string Output { get; } = output;

    /// <summary>Checkpoint name, without <c>.weight</c> and <c>.bias</c>.</summary>
    public string Name { get; } = name;

    /// <summary>Whether there is a bias.</summary>
    public bool Bias { get; init; }

    /// <summary>A <c>bool</c> config member that says whether there is a bias.</summary>
    public string? BiasWhen { get; init; }

    /// <summary>How the weight lies in the Hugging Face file.</summary>
    public WeightLayout Layout { get; init; }

    /// <summary>The embedding whose matrix this layer shares.</summary>
    public string? TiedTo { get; init; }

    /// <summary>A <c>bool</c> config member that says whether the matrix is shared; without it, <see cref="TiedTo"/> always holds.</summary>
    public string? TiedWhen { get; init; }

    /// <summary>A <c>bool</c> config member; where true, each weight row is divided by its L2 norm before use (Baichuan2's NormHead).</summary>
    public string? UnitRowsWhen { get; init; }

    /// <summary>Overrides the derived tensor-parallel partition.</summary>
    public Partition Partition { get; init; }

    /// <summary>Paddle names of the layer's output sections, where Paddle stores one linear per section (GPT's q, k, v); they follow the <see cref="SectionsAttribute"/> that cuts the output.</summary>
    public string[] PaddleSections { get; init; } = [];

    /// <summary>Whether Paddle stores a copy of a tied matrix under this layer's Paddle name, laid out as the embedding (GPT, OPT).</summary>
    public bool PaddleKeepsTied { get; init; }

    /// <summary>Whether Paddle has the matrix only tied to <see cref="TiedTo"/>, and never in its file, even where <see cref="TiedWhen"/> does not hold (ChatGLM).</summary>
    public bool PaddleTies { get; init; }

    /// <summary>Whether Hugging Face's files hold a copy of the matrix where it is tied (ChatGLM).</summary>
    public bool KeepsTied { get; init; }

    /// <summary>How PaddleNLP's tensor-parallel shards hold the weight, where it is not what follows from the derived partition.</summary>
    public PaddleSplit PaddleSplit { get; init; }
}

/// <summary>RMSNorm: x / sqrt(mean(x²) + ε) · weight, computed in float32 (Zhang and Sennrich, 2019).</summary>
/// <param name="width">Member that is the normalised width.</param>
/// <param name="name">Checkpoint name, without <c>.weight</c>.</param>
public sealed class RmsNormAttribute(string width, string name) : LayerAttribute
{
    /// <summary>Member that is the normalised width.</summary>
    public string Width { get; } = width;

    /// <summary>Checkpoint name, without <c>.weight</c>.</summary>
    public string Name { get; } = name;

    /// <summary>Config member that is ε; 1e-6 where absent.</summary>
    public string? Epsilon { get; init; }
}

/// <summary>LayerNorm with weight and bias (Ba et al., 2016).</summary>
/// <param name="width">Member that is the normalised width.</param>
/// <param name="name">Checkpoint name, without <c>.weight</c> and <c>.bias</c>.</param>
public sealed class LayerNormAttribute(string width, string name) : LayerAttribute
{
    /// <summary>Member that is the normalised width.</summary>
    public string Width { get; } = width;

    /// <summary>Checkpoint name, without <c>.weight</c> and <c>.bias</c>.</summary>
    public string Name { get; } = name;

    /// <summary>Config member that is ε; 1e-5 where absent.</summary>
    public string? Epsilon { get; init; }

    /// <summary>Whether there is a bias.</summary>
    public bool Bias { get; init; } = true;
}

/// <summary>Token embedding: the method takes <see cref="Tokens"/>.</summary>
/// <param name="count">Member that is the vocabulary size.</param>
/// <param name="width">Member that is the embedding width.</param>
/// <param name="name">Checkpoint name, without <c>.weight</c>.</param>
public sealed class EmbeddingAttribute(string count, string width, string name) : LayerAttribute
{
    /// <summary>Member that is the vocabulary size.</summary>
    public string Count { get; } = count;

    /// <summary>Member that is the embedding width.</summary>
    public string Width { get; } = width;

    /// <summary>Checkpoint name, without <c>.weight</c>.</summary>
    public string Name { get; } = name;
}

/// <summary>Which of a token's positions a layer reads.</summary>
public enum PositionKind
{
    /// <summary>The position in the sequence.</summary>
    Sequence,

    /// <summary>The position within the block being generated (GLM's second position).</summary>
    Block,

    /// <summary>Both, each for one half of the width (ChatGLM's 2D rotary).</summary>
    SequenceAndBlock,
}

/// <summary>Learned positions: the method takes <see cref="Tokens"/> and looks up each token's position.</summary>
/// <param name="count">Member that is the number of positions in the table, offset included.</param>
/// <param name="width">Member that is the embedding width.</param>
/// <param name="name">Checkpoint name, without <c>.weight</c>.</param>
public sealed class PositionEmbeddingAttribute(string count, string width, string name) : LayerAttribute
{
    /// <summary>Member that is the number of rows of the table.</summary>
    public string Count { get; } = count;

    /// <summary>Member that is the embedding width.</summary>
    public string Width { get; } = width;

    /// <summary>Checkpoint name, without <c>.weight</c>.</summary>
    public string Name { get; } = name;

    /// <summary>Added to every position (OPT: 2).</summary>
    public int Offset { get; init; }

    /// <summary>Which position is looked up.</summary>
    public PositionKind Positions { get; init; }
}

/// <summary>How rotary embedding pairs the features of a head.</summary>
public enum RotaryPairing
{
    /// <summary>Feature i with feature i + dim/2 (LLaMA in Hugging Face's layout, GPT-NeoX).</summary>
    Halves,

    /// <summary>Feature 2i with feature 2i + 1 (GPT-J, ChatGLM2).</summary>
    Adjacent,
}

/// <summary>Rotary position embedding (Su et al., 2021) of queries or keys laid out as heads × head width.</summary>
/// <param name="headDim">Member that is the width of one head.</param>
public sealed class RotaryAttribute(string headDim) : LayerAttribute
{
    /// <summary>Member that is the width of one head.</summary>
    public string HeadDim { get; } = headDim;

    /// <summary>Member that is the number of leading features of a head that rotate; all of them where absent.</summary>
    public string? Dim { get; init; }

    /// <summary>Config member that is the base θ; 10000 where absent.</summary>
    public string? Theta { get; init; }

    /// <summary>Config member of type <see cref="Layers.RopeScaling"/> that stretches the frequencies.</summary>
    public string? Scaling { get; init; }

    /// <summary>How features are paired.</summary>
    public RotaryPairing Pairing { get; init; }

    /// <summary>Which positions rotate; <see cref="PositionKind.SequenceAndBlock"/> rotates one half of a head by each.</summary>
    public PositionKind Positions { get; init; }

    /// <summary>A <c>bool</c> config member; where true the inverse frequencies are rounded to float16 first (the original ChatGLM-6B).</summary>
    public string? HalfFrequenciesWhen { get; init; }
}

/// <summary>Scaled dot-product attention of queries, keys and values; the method takes three flows.</summary>
/// <param name="heads">Member that is the number of query heads.</param>
/// <param name="kvHeads">Member that is the number of key/value heads.</param>
/// <param name="headDim">Member that is the width of one head.</param>
public sealed class AttentionAttribute(string heads, string kvHeads, string headDim) : LayerAttribute
{
    /// <summary>Member that is the number of query heads.</summary>
    public string Heads { get; } = heads;

    /// <summary>Member that is the number of key/value heads.</summary>
    public string KvHeads { get; } = kvHeads;

    /// <summary>Member that is the width of one head.</summary>
    public string HeadDim { get; } = headDim;

    /// <summary>Adds ALiBi's bias, slope × key position (Press et al., 2021).</summary>
    public bool Alibi { get; init; }

    /// <summary>A <c>bool</c> config member that says whether ALiBi's bias is added (Baichuan-13B).</summary>
    public string? AlibiWhen { get; init; }

    /// <summary>Config member (<c>int</c>, 0 = none) that limits attention to the last so many positions.</summary>
    public string? Window { get; init; }

    /// <summary>Config member (<c>double</c>) that multiplies the scores; 1/√headDim where absent.</summary>
    public string? Scale { get; init; }

    /// <summary>Whether the mask lets a prefix see itself in both directions; the model's input scheme says where the prefix ends.</summary>
    public bool Prefix { get; init; }
}

/// <summary>Cuts a fused flow into two or three; the method returns <see cref="Flow2"/> or <see cref="Flow3"/>.</summary>
/// <param name="widths">Members that are the widths of the sections, in order; with <see cref="Groups"/>, of the sections of one group.</param>
public sealed class SectionsAttribute(params string[] widths) : LayerAttribute
{
    /// <summary>Members that are the widths of the sections, in order.</summary>
    public string[] Widths { get; } = widths;

    /// <summary>Member that is a number of groups: the features lie as groups × sections (Bloom's per-head q|k|v) instead of sections one after the other.</summary>
    public string? Groups { get; init; }
}

/// <summary>Scales queries by log(position)/log(trained length) past the trained length (Qwen's log-n attention).</summary>
/// <param name="trainedLength">Config member that is the trained length.</param>
public sealed class LogNAttribute(string trainedLength) : LayerAttribute
{
    /// <summary>Config member that is the trained length.</summary>
    public string TrainedLength { get; } = trainedLength;
}

/// <summary>Uses a part as a layer.</summary>
/// <param name="name">Checkpoint prefix of the part's layers, empty for none.</param>
/// <param name="widths">Members that become the part's <c>int</c> constructor parameters, in order.</param>
/// <typeparam name="T">A class with <see cref="PartAttribute"/>.</typeparam>
public sealed class UseAttribute<T>(string name, params string[] widths) : LayerAttribute
{
    /// <summary>Checkpoint prefix of the part's layers.</summary>
    public string Name { get; } = name;

    /// <summary>Members that become the part's constructor parameters.</summary>
    public string[] Widths { get; } = widths;
}

/// <summary>Repeats a block; each copy feeds the next.</summary>
/// <param name="count">Member that is the number of copies.</param>
/// <typeparam name="T">A class with <see cref="BlockAttribute"/>.</typeparam>
public sealed class RepeatAttribute<T>(string count) : LayerAttribute
{
    /// <summary>Member that is the number of copies.</summary>
    public string Count { get; } = count;
}
