using Generated.Checkpoints.Pickle;
using Generated.Checkpoints.Storage;

namespace Generated.Checkpoints.Paddle;

/// <summary>
/// Files of paddle.save (<c>.pdparams</c>, <c>.pdtensor</c>, <c>.pdopt</c>), in every encoding of its versions: arrays, (name, array) tuples,
/// LoDTensors, nested dicts, big parameters cut into slices for protocol 2, either axis order.
/// (Format: python/paddle/framework/io.py and io_utils.py.)
/// </summary>
internal static class PaddleFile
{
    /// <summary>Key of the table from structured names to the framework's parameter names.</summary>
    public const string NameTable = "StructuredToParameterName@@";

    /// <summary>Key of the table of parameters that are cut into slices.</summary>
    private const string SliceTable = "UnpackBigParamInfor@@";

    /// <summary>Takes ownership of <paramref name="file"/>, also when it fails.</summary>
    public static TensorFile Read(MappedFile file)
    {
        try
        {
            var root = new PickleMachine(new PickleInput(file, 0, file.Length), new NumpyTypes()).Load();
            return Convert(file, root);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static TensorFile Convert(MappedFile file, object? root)
    {
        PickleDict? slices = null;
        var parameterNames = new Dictionary<string, string>(StringComparer.Ordinal);
        if (root is PickleDict dict)
        {
            if (dict.Items.Remove(NameTable, out var table) && table is PickleDict names)
                ReadNames(names, parameterNames);
            if (dict.Items.Remove(SliceTable, out table))
                slices = table as PickleDict;
        }

        var tensors = new OrderedDictionary<string, StoredTensor>(StringComparer.Ordinal);
        var metadata = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in PickleTree.Leaves(root, file.Path, IsNamedArray))
        {
            var (array, parameterName) = value switch
            {
                NumpyArray plain => (plain, null),
                PickleTuple { Items: [PickleBytes own, NumpyArray named] } => (named, own.ToText()),
                _ => default((NumpyArray?, string?)),
            };
            if (array is null)
            {
                if (PickleTree.Text(value) is { } text)
                    metadata[name] = text;
                continue;
            }

            // A single tensor has no key; it is called by its parameter name.
            var key = name.Length > 0 ? name : parameterName ?? Path.GetFileNameWithoutExtension(file.Path);
            if (!tensors.TryAdd(key, Place(file, key, array)))
                throw new InvalidInputException($"{file.Path} holds tensor {Describe.Name(key)} twice.");
            if (parameterName is not null)
                parameterNames.TryAdd(key, parameterName);
        }

        if (slices is not null)
            JoinSlices(file, slices, tensors);
        return new TensorFile(file, tensors.Values, metadata) { ParameterNames = parameterNames };
    }

    private static bool IsNamedArray(object? value) => value is PickleTuple { Items: [PickleBytes, NumpyArray] };

    private static void ReadNames(PickleDict table, Dictionary<string, string> parameterNames)
    {
        foreach (var (name, value) in table.Items)
        {
            if (value is PickleBytes text)
                parameterNames[name] = text.ToText();
        }
    }

    private static StoredTensor Place(MappedFile file, string name, NumpyArray array)
    {
        if (array.Data is null)
            throw new InvalidInputException($"{file.Path} is damaged: tensor {Describe.Name(name)} has no data.");

        // numpy has no bfloat16: Paddle hands it over as 16-bit integers, which no Paddle parameter is.
        var info = TensorInfo.Of(file.Path, name, array.DType == DType.U16 ? DType.BF16 : array.DType, array.Shape);
        if (!array.IsLatin1 && array.Data.Length != info.ByteCount)
            throw new InvalidInputException($"{file.Path} is damaged: tensor {info} needs {info.ByteCount} bytes, {array.Data.Length} are there.");
        var strides = array.IsFortran ? StoredTensor.ColumnMajor(info.Shape) : StoredTensor.RowMajor(info.Shape);
        return new StoredTensor(info, array.Storage(file, info.ByteCount), 0, strides, file.Path);
    }

    private static void JoinSlices(MappedFile file, PickleDict table, OrderedDictionary<string, StoredTensor> tensors)
    {
        foreach (var (name, entry) in table.Items)
        {
            if (entry is not PickleDict { Items: var description }
                || !description.TryGetValue("OriginShape", out var shapeValue) || shapeValue is not PickleTuple shape
                || !shape.Items.All(size => size is long)
                || !description.TryGetValue("slices", out var sliceValue) || sliceValue is not PickleList { Items: { Count: > 0 } names })
            {
                throw new InvalidInputException($"{file.Path} is damaged: the slices of tensor {Describe.Name(name)} are not described.");
            }

            var parts = new List<StoredTensor>(names.Count);
            foreach (var slice in names)
            {
                if (slice is not PickleBytes sliceName || !tensors.Remove(sliceName.ToText(), out var part) || !part.IsRowMajor)
                    throw new InvalidInputException($"{file.Path} is damaged: a slice of tensor {Describe.Name(name)} is missing.");
                parts.Add(part);
            }

            var info = TensorInfo.Of(file.Path, name, parts[0].Info.DType, Array.ConvertAll(shape.Items, size => (long)size!));
            if (parts.Any(part => part.Info.DType != info.DType) || parts.Sum(part => part.Info.ElementCount) != info.ElementCount)
                throw new InvalidInputException($"{file.Path} is damaged: the slices of tensor {info} do not add up to it.");
            var storage = new JoinedStorage([.. parts.Select(part => part.AsStorage())]);
            if (!tensors.TryAdd(name, new StoredTensor(info, storage, 0, StoredTensor.RowMajor(info.Shape), file.Path)))
                throw new InvalidInputException($"{file.Path} holds tensor {Describe.Name(name)} twice.");
        }
    }
}
