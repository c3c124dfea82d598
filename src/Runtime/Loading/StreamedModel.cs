using Generated.Architectures;
using Generated.Configuration;
using Generated.Layers;
using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Loading;

/// <summary>A checkpoint whose blocks are in memory one at a time, for models that are larger than it.</summary>
internal sealed class StreamedModel : IDisposable
{
    private readonly OpenCheckpoint _checkpoint;
    private readonly CausalModel _skeleton;
    private readonly BuildOptions _options;

    private StreamedModel(OpenCheckpoint checkpoint, BuildOptions options)
    {
        (_checkpoint, _options) = (checkpoint, options);
        Weights.CheckCopies();
        _skeleton = Architecture.Create(Config, options with { Device = META });
        Structure = _skeleton.Structure;
    }

    /// <summary>The checkpoint's folder.</summary>
    public string Directory => _checkpoint.Directory;

    /// <summary>Its config.json.</summary>
    public ConfigReader Reader => _checkpoint.Reader;

    /// <summary>The architecture.</summary>
    public ArchitectureInfo Architecture => _checkpoint.Architecture;

    /// <summary>The typed config.</summary>
    public object Config => _checkpoint.Config;

    /// <summary>The stored weights.</summary>
    public WeightSource Weights => _checkpoint.Weights;

    /// <summary>What was derived from the declaration.</summary>
    public ModelStructure Structure { get; }

    /// <summary>Number of blocks.</summary>
    public int BlockCount => _skeleton.AllBlocks.Count;

    /// <summary>Size of the vocabulary.</summary>
    public int Vocabulary => _skeleton.Vocabulary();

    /// <summary>How positions and mask follow from ids.</summary>
    public IInputScheme Inputs => _skeleton.Inputs;

    /// <summary>Paths of the files that hold the weights.</summary>
    public IEnumerable<string> Files => _checkpoint.Files.Files;

    /// <summary>Bytes of all weights in the files.</summary>
    public long FileBytes => Weights.File.Tensors.Values.Sum(t => t.ByteCount);

    /// <summary>Opens a checkpoint folder; no weight is read.</summary>
    /// <param name="directory">Folder with config.json and weights in any supported format.</param>
    /// <param name="device">Where blocks are loaded to.</param>
    /// <param name="dtype">Type they are loaded as.</param>
    /// <exception cref="InvalidInputException">The folder is incomplete or damaged, or weights and config do not fit.</exception>
    public static StreamedModel Open(string directory, Device? device = null, ScalarType dtype = ScalarType.Float32)
    {
        var checkpoint = OpenCheckpoint.Open(directory);
        try
        {
            return new StreamedModel(checkpoint, new BuildOptions { Dtype = dtype, Device = device ?? CPU });
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The model with the weights outside its blocks: what <see cref="CausalModel.Enter"/> and <see cref="CausalModel.Leave"/> need. On the
    /// CPU embedding and head stay in the checkpoint and are read row by row: they may be larger than many blocks. The caller's.
    /// </summary>
    public CausalModel LoadEnds()
    {
        var streams = _options.Device.type == DeviceType.CPU;
        var model = Architecture.Create(Config, _options with { StreamsBlocks = true, DeferMatrices = streams });
        try
        {
            if (streams)
                Stream(model);
            Fill(model.WeightsOutsideBlocks().Where(slot => slot.Parameter is { } parameter && parameter.Value.device_type != DeviceType.META));
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>A block with its weights; the caller's, one at a time per index.</summary>
    public StreamedBlock LoadBlock(int index)
    {
        var block = _skeleton.AllBlocks[index];
        var context = new BuildContext(_options);
        var loaded = new StreamedBlock(block, context, _skeleton.Context);
        try
        {
            block.Build(context);
            Fill(block.Weights());
            return loaded;
        }
        catch
        {
            loaded.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _skeleton.Dispose();
        _checkpoint.Dispose();
    }

    /// <summary>Leaves embedding and linears outside blocks in the checkpoint and gives the other matrices there their memory.</summary>
    private void Stream(CausalModel model)
    {
        var slots = model.WeightsOutsideBlocks().ToList();
        foreach (var slot in slots)
        {
            if (slot.Layer is Embedding { Table: null } embedding)
                embedding.Replace(new StreamedEmbedding(embedding.Count, embedding.Width, _options.Dtype, RowsOf(slot.Spec)));
            else if (slot.Layer is not DenseLinear)
                slot.Parameter?.Allocate(_options.Device);
        }

        foreach (var place in model.Linears().Where(place => place.Block < 0))
        {
            if (place.Linear is DenseLinear dense)
                place.Linear = model.Context.Own(new StreamedLinear(dense, _options.Dtype, RowsOf(slots.First(slot => ReferenceEquals(slot.Layer, dense) && slot.Spec.Kind == TensorKind.Weight).Spec)));
        }
    }

    private RowReader RowsOf(TensorSpec spec) => (rows, destination) =>
    {
        Weights.Read(spec, 0, rows, destination);
        _checkpoint.Files.ForgetPages();
    };

    private void Fill(IEnumerable<WeightSlot> slots)
    {
        foreach (var slot in slots)
        {
            if (slot.IsTied)
                continue;
            Weights.Fill(slot);
            // An embedding's pages would be in memory beside its copy, and a head's beside both.
            _checkpoint.Files.ForgetPages();
        }
    }
}

/// <summary>A block in memory; disposing of it frees its weights and whatever has taken the place of its linears.</summary>
internal sealed class StreamedBlock(Block block, BuildContext context, BuildContext empty) : IDisposable
{
    /// <summary>The block.</summary>
    public Block Block { get; } = block;

    /// <summary>What it was built with.</summary>
    public BuildContext Context { get; } = context;

    /// <summary>The block's linears that the config has.</summary>
    public IEnumerable<LinearSlot> Linears() =>
        Block.LinearSites.Where(site => site.Get(Block) is not null).Select(site => new LinearSlot(Block, site, Block.Index));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var slot in Linears())
            slot.Linear.Dispose();
        Context.Dispose();
        Block.Build(empty);
    }
}
