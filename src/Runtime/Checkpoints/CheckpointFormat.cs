namespace Generated.Checkpoints;

/// <summary>How tensors are stored.</summary>
public enum CheckpointFormat
{
    /// <summary>safetensors, one file or several with an index.</summary>
    Safetensors,

    /// <summary>torch.save: <c>pytorch_model.bin</c>, one file or several with an index.</summary>
    TorchPickle,

    /// <summary>paddle.save: <c>model_state.pdparams</c>, one file, several with an index, or one per tensor-parallel rank.</summary>
    PaddlePickle,
}

/// <summary>Whose names and axes the tensors have.</summary>
public enum CheckpointLayout
{
    /// <summary>Hugging Face transformers: linears are [out, in].</summary>
    HuggingFace,

    /// <summary>PaddleNLP: linears are [in, out].</summary>
    Paddle,
}
