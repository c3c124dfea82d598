using Generated.Models;
using Generated.Quant.Recipes;

[Quantize<ChatGlm2>, Smooth, Weights, Activations]
//                   ^^^^^^
public static partial class ChatGlm2Smooth;
