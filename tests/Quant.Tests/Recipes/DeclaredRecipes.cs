using Generated.Models;
using Generated.Quant.Recipes;

namespace Quant.Tests.Recipes;

/// <summary>What a user writes beside a packaged model.</summary>
[Quantize<Llama>]
[Smooth(Search = SmoothSearch.Piecewise, Pieces = 3)]
[Weights(Bits = 8, Per = Granularity.Channel), Activations(Bits = 8, Per = ActivationGranularity.Tensor)]
[Keep(Llama.Paths.Head)]
internal static partial class LlamaW8A8;

[Quantize<ChatGlm>, Smooth(AllLinears = true), Weights, Activations]
internal static partial class ChatGlmW8A8;

[Quantize<Bloom>(TensorParallel = 2), Gptq, Weights(Bits = 4, Per = Granularity.Group, Symmetric = false), KvCache]
[Override(BloomBlock.Paths.Down, WeightBits = 8)]
internal static partial class BloomW4;
