using Generated.Models;
using Generated.Quant.Recipes;

[Quantize<ChatGlm2>, Awq, Weights(Bits = 4, Per = Granularity.Group, Symmetric = false)]
//                   ^^^
public static partial class ChatGlm2Awq;
