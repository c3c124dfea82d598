using Generated.Models;
using Generated.Quant.Recipes;

[Quantize<Bloom>, Shift, Weights, Activations]
//                ^^^^^
public static partial class BloomShift;
