using Generated.Quant.Recipes;

namespace Generated.Quant.Layers;

/// <summary>
/// Everything that is stored of a quantized token embedding. Evenly spaced: w = code · scale. Logarithmic: w = sign(code) · scale ·
/// 2^(−(|code| − 1) / s) with s = 8 steps an octave for 8 bits and 2048 for 16; code 0 is 0.
/// </summary>
/// <param name="Rows">Size of the vocabulary.</param>
/// <param name="Width">Width of an embedding.</param>
/// <param name="Format">Bits, spacing, and whether a tied head multiplies with the codes.</param>
/// <param name="Codes">[rows, width]; within ±127 for 8 bits.</param>
/// <param name="Scales">[rows].</param>
public sealed record EmbeddingState(int Rows, int Width, EmbeddingFormat Format, short[] Codes, float[] Scales);
