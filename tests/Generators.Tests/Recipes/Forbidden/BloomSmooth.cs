using Generated.Models;
using Generated.Quant.Recipes;

[Quantize<Bloom>, Smooth, Weights, Activations]
//                ^^^^^^
public static partial class BloomSmooth;
