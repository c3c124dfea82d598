using Generated.Quant.Weights;

namespace Generated.Quant.Methods;

/// <summary>What GPTQ did to one weight.</summary>
/// <param name="Weight">The integers.</param>
/// <param name="Damping">Share of the mean diagonal that was added to the Hessian.</param>
/// <param name="Escalations">How often the factorisation failed before and the damping was raised.</param>
/// <param name="DeadColumns">Inputs that were zero on every token; their weights are rounded to nearest.</param>
/// <param name="Error">Mean squared error of the output on calibration tokens, relative to the output's mean square.</param>
/// <param name="NearestError">The same of rounding to nearest with the same scales' rule.</param>
internal sealed record GptqResult(QuantizedWeight Weight, double Damping, int Escalations, int DeadColumns, double Error, double NearestError);
