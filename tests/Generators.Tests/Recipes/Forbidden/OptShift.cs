using Generated.Models;
using Generated.Quant.Recipes;

[Quantize<Opt>, Shift, Weights, Activations]
//              ^^^^^
public static partial class OptShift;
