using Generated.Models;
using Generated.Quant.Recipes;

[Quantize<ChatGlm>, Shift, Weights, Activations]
//                  ^^^^^
public static partial class ChatGlmShift;
