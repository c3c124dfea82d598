using Generated.Models;
using Generated.Quant.Recipes;

[Quantize<Opt>, Smooth, Weights, Activations]
//              ^^^^^^
public static partial class OptSmooth;
