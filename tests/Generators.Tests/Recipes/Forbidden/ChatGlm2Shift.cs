using Generated.Models;
using Generated.Quant.Recipes;

[Quantize<ChatGlm2>, Shift, Weights, Activations]
//                   ^^^^^
public static partial class ChatGlm2Shift;
