using Generated.Checkpoints;
using static TorchSharp.torch;

namespace Generated.Loading;

/// <summary>How a checkpoint folder is written.</summary>
public sealed record SaveOptions
{
    /// <summary>Whose names and axes the tensors get.</summary>
    public CheckpointLayout Layout { get; init; } = CheckpointLayout.HuggingFace;

    /// <summary>How tensors are stored: safetensors, or for Paddle also paddle.save's pickle.</summary>
    public CheckpointFormat Format { get; init; } = CheckpointFormat.Safetensors;

    /// <summary>Type of the tensors; null keeps each one's.</summary>
    public ScalarType? Dtype { get; init; }

    /// <summary>Most tensor bytes of one file.</summary>
    public long MaxShardBytes { get; init; } = 5_000_000_000;

    /// <summary>Number of tensor-parallel ranks, each of which gets a file <c>model_state.tp0X.pdparams</c>; only for Paddle's.</summary>
    public int TensorParallel { get; init; } = 1;

    /// <summary>Whether a folder that is there is replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Told the share of the tensor bytes that is written.</summary>
    public IProgress<double>? Progress { get; init; }

    /// <exception cref="InvalidInputException">Layout and format do not go together.</exception>
    internal void Check()
    {
        if (TensorParallel is < 1 or > 9999)
            throw new InvalidInputException($"{TensorParallel} tensor-parallel ranks cannot be written: use 1 or more.");
        if (TensorParallel > 1 && (Format != CheckpointFormat.PaddlePickle || Layout != CheckpointLayout.Paddle))
            throw new InvalidInputException($"Tensor-parallel ranks are written as Paddle's model_state.tp0X.pdparams only, not as {Format} in the {Layout} layout.");
        if (Format == CheckpointFormat.TorchPickle || (Format == CheckpointFormat.PaddlePickle && Layout != CheckpointLayout.Paddle))
            throw new InvalidInputException($"The {Layout} layout is not written as {Format}; use safetensors.");
        if (MaxShardBytes < 1)
            throw new InvalidInputException($"A shard of {MaxShardBytes} bytes cannot hold anything.");
        if (Dtype is not (null or ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float64))
            throw new InvalidInputException($"Weights are not written as {Dtype}: use float32, bfloat16 or float16.");
    }
}
