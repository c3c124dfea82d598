using Generated.Architectures;
using Generated.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Loading;

/// <summary>A token embedding whose rows stay in the checkpoint; those of the tokens at hand are read.</summary>
/// <param name="rows">Size of the vocabulary.</param>
/// <param name="width">Width of an embedding.</param>
/// <param name="dtype">Type of the rows.</param>
/// <param name="read">Reads rows.</param>
internal sealed class StreamedEmbedding(int rows, int width, ScalarType dtype, RowReader read) : EmbeddingTable, IWeightRows
{
    private RowReader _read = read;

    /// <inheritdoc/>
    public override long Bytes => 0;

    /// <inheritdoc/>
    public int OutWidth => rows;

    /// <inheritdoc/>
    public int InWidth => width;

    /// <summary>Looks rows up elsewhere from now on.</summary>
    public void ReadFrom(RowReader other) => _read = other;

    /// <inheritdoc/>
    public override Tensor Rows(Tensor indices)
    {
        using var scope = NewDisposeScope();
        var (distinct, places, _) = indices.unique(return_inverse: true);
        var ids = distinct.data<long>().ToArray();
        var found = empty([ids.Length, width], dtype);
        for (var (first, next) = (0, 0); first < ids.Length; first = next)
        {
            // Neighbours come in one read.
            for (next = first + 1; next < ids.Length && ids[next] == ids[next - 1] + 1;)
                next++;
            using var place = found.narrow(0, first, next - first);
            _read(new WeightRange(ids[first], next - first), place);
        }

        return found.index_select(0, places!.reshape(-1)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Rows(long start, long count)
    {
        var result = empty([count, width], dtype);
        _read(new WeightRange(start, count), result);
        return result;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
    }
}
