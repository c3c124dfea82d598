using Generated.Architectures;
using Generated.Layers;
using Generated.Passes;
using Generated.Quant.Pipeline;
using static TorchSharp.torch;

namespace Generated.Quant.Analysis;

/// <summary>A block of a model that is in memory as a whole.</summary>
/// <param name="model">The model; the caller's.</param>
/// <param name="block">The block.</param>
internal sealed class LoadedBlockUnit(CausalModel model, Block block) : Unit
{
    public override int Block => block.Index;

    public override string Title => $"block {Block}";

    public override IEnumerable<WeightSlot> Slots => block.Weights();

    public override BuildContext Context => model.Context;

    public override Tensor Run(Tensor input, PassContext pass) => block.Full(input, pass);

    public override void Dispose()
    {
    }

    protected override IEnumerable<LinearSlot> FindLinears() => model.Linears().Where(slot => slot.Block == block.Index);
}

/// <summary>All of a model, from ids to logits.</summary>
/// <param name="model">The model; the caller's.</param>
internal sealed class WholeModelUnit(CausalModel model) : Unit
{
    public override int Block => -1;

    public override string Title => "the model";

    public override IEnumerable<WeightSlot> Slots => model.Weights();

    public override BuildContext Context => model.Context;

    public override Tensor Run(Tensor input, PassContext pass) => model.Full(input, pass);

    public override void Dispose()
    {
    }

    protected override IEnumerable<LinearSlot> FindLinears() => model.Linears();
}
