using Generated.Models;
using Generated.Quant.Recipes;

[Quantize<ChatGlm>, Smooth, Weights, Activations]
//                  ^^^^^^
public static partial class ChatGlmSmooth;
