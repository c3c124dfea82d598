using Generated.Models;
using Generated.Quant.Recipes;

[Quantize<Bloom>, Awq, Weights(Bits = 4, Per = Granularity.Group, Symmetric = false)]
//                ^^^
public static partial class BloomAwq;
