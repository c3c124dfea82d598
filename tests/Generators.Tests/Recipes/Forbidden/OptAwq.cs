using Generated.Models;
using Generated.Quant.Recipes;

[Quantize<Opt>, Awq, Weights(Bits = 4, Per = Granularity.Group, Symmetric = false)]
//              ^^^
public static partial class OptAwq;
