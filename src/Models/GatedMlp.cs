using static Generated.Ops;

namespace Generated.Models;

/// <summary>SwiGLU: down(silu(gate(x)) · up(x)) (Shazeer, 2020), as LLaMA and its relatives name it.</summary>
/// <param name="hidden">Width of the residual stream.</param>
/// <param name="ffn">Width inside.</param>
[Part]
public sealed partial class GatedMlp(int hidden, int ffn)
{
    [Linear(nameof(hidden), nameof(ffn), "gate_proj")] private partial Flow Gate(Flow x);
    [Linear(nameof(hidden), nameof(ffn), "up_proj")] private partial Flow Up(Flow x);
    [Linear(nameof(ffn), nameof(hidden), "down_proj")] private partial Flow Down(Flow x);

    /// <summary>The part's wiring.</summary>
    /// <param name="x">[batch, time, hidden].</param>
    public Flow Forward(Flow x) => Down(Silu(Gate(x)) * Up(x));
}
