using Generated.Architectures;
using Generated.Layers;
using Generated.Loading;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>Gives heads that share the embedding's matrix one of their own, before either is changed.</summary>
internal static class Untying
{
    /// <summary>Unties a linear; one that is not tied stays.</summary>
    public static void Untie(LinearSlot slot, BuildContext build)
    {
        if (slot.Linear is StreamedLinear { IsTied: true } streamed)
            slot.Linear = build.Own(streamed.Untied(build));
        if (slot.Linear is not DenseLinear { TiedTo: not null } tied)
            return;
        using var noGrad = no_grad();
        var own = new DenseLinear(build, tied.InWidth, tied.OutWidth, unitRows: tied.HasUnitRows);
        own.Weight.Value.copy_(tied.Weight.Value);
        slot.Linear = own;
    }
}
