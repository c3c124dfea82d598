using Generated.Checkpoints.Pickle;
using Generated.Checkpoints.Storage;

namespace Generated.Checkpoints.Torch;

/// <summary>
/// Files of torch.save (<c>pytorch_model.bin</c>): the zip archive of torch 1.6 and later, and the older stream of pickles.
/// Tensors may share storages and may be strided.
/// </summary>
internal static class TorchFile
{
    private const string PickleName = "data.pkl";
    private const long LegacyProtocol = 1001;

    /// <summary>The integer 0x1950a86a20f9469cfc6c, little-endian, that the older format begins with.</summary>
    private static ReadOnlySpan<byte> LegacyMagic => [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

    /// <summary>Whether a file that begins so is of the older format: protocol 2, then that integer.</summary>
    public static bool IsLegacy(ReadOnlySpan<byte> start) => start.StartsWith((ReadOnlySpan<byte>)[0x80, 2, 0x8a, 10]) && start[4..].StartsWith(LegacyMagic);

    /// <summary>Reads the zip archive. Takes ownership of <paramref name="file"/>, also when it fails.</summary>
    public static TensorFile ReadZip(MappedFile file) => Guarded(file, () =>
    {
        var members = ZipDirectory.Read(file);
        var pickles = members.Keys.Where(name => name == PickleName || name.EndsWith("/" + PickleName, StringComparison.Ordinal)).ToList();
        if (pickles.Count != 1)
        {
            throw new InvalidInputException(
                $"{file.Path} is a zip archive but not of torch.save: it holds {pickles.Count} members named {PickleName}.");
        }

        var prefix = pickles[0][..^PickleName.Length];
        if (members.ContainsKey(prefix + "constants.pkl"))
            throw new InvalidInputException($"{file.Path} is a TorchScript program, which is not loaded; save its state_dict with torch.save.");
        if (members.TryGetValue(prefix + "byteorder", out var order) && !file.Span(order.Offset, (int)Math.Min(order.Length, 16)).SequenceEqual("little"u8))
            throw new InvalidInputException($"{file.Path} holds big-endian data; save it again on a little-endian machine.");

        var pickle = members[pickles[0]];
        var root = new PickleMachine(new PickleInput(file, pickle.Offset, pickle.Offset + pickle.Length), new TorchTypes()).Load();
        return Convert(file, root, storage =>
        {
            if (!members.TryGetValue($"{prefix}data/{storage.Key}", out var member))
                throw new InvalidInputException($"{file.Path} is damaged: storage {Describe.Name(storage.Key)} is missing.");
            return new MappedStorage(file, member.Offset, member.Length);
        });
    });

    /// <summary>Reads the older format: magic, protocol, machine, state dict, storage keys; then each storage as a count and its elements.</summary>
    public static TensorFile ReadLegacy(MappedFile file) => Guarded(file, () =>
    {
        var input = new PickleInput(file, 0, file.Length);
        var types = new LegacyTypes();
        object? Next() => new PickleMachine(input, types).Load();
        if (Next() is not PickleBigInteger magic || !magic.Bytes.AsSpan().SequenceEqual(LegacyMagic) || Next() is not LegacyProtocol
            || Next() is not PickleDict machine)
        {
            throw new InvalidInputException($"{file.Path} is no file of torch.save.");
        }

        if (machine.Items.GetValueOrDefault("little_endian") is false)
            throw new InvalidInputException($"{file.Path} holds big-endian data; save it again on a little-endian machine.");
        var root = Next();
        if (Next() is not PickleList keys)
            throw new InvalidInputException($"{file.Path} is damaged: the list of storages is missing.");

        var storages = new Dictionary<string, MappedStorage>(StringComparer.Ordinal);
        foreach (var item in keys.Items)
        {
            if (item is not PickleBytes key || !types.Storages.TryGetValue(key.ToText(), out var storage))
                throw new InvalidInputException($"{file.Path} is damaged: it lists a storage that no tensor uses.");
            var size = storage.DType?.Size() ?? 1;
            var count = input.Int64();
            if (count != storage.Count || count > file.Length / size)
                throw new InvalidInputException($"{file.Path} is truncated or damaged: storage {Describe.Name(storage.Key)} has {count} elements, not {storage.Count}.");
            var data = input.Range(count * size, isText: false);
            storages[storage.Key] = new MappedStorage(file, data.Offset, data.Length);
        }

        return Convert(file, root, storage => storages.TryGetValue(storage.Key, out var data)
            ? data
            : throw new InvalidInputException($"{file.Path} is damaged: storage {Describe.Name(storage.Key)} is missing."));
    });

    private static TensorFile Convert(MappedFile file, object? root, Func<TorchStorage, ByteStorage> locate)
    {
        var tensors = new List<StoredTensor>();
        var metadata = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in PickleTree.Leaves(root, file.Path, value => value is TorchTensor))
        {
            if (value is TorchTensor tensor)
                tensors.Add(Place(file, name, tensor, locate));
            else if (PickleTree.Text(value) is { } text)
                metadata[name] = text;
        }

        return new TensorFile(file, tensors, metadata);
    }

    private static StoredTensor Place(MappedFile file, string name, TorchTensor tensor, Func<TorchStorage, ByteStorage> locate)
    {
        var info = TensorInfo.Of(file.Path, name, tensor.DType, tensor.Shape);
        var storage = locate(tensor.Storage);
        var size = info.DType.Size();
        if (storage.Length / (tensor.Storage.DType?.Size() ?? 1) < tensor.Storage.Count)
        {
            throw new InvalidInputException(
                $"{file.Path} is truncated or damaged: tensor {info} lies in a storage of {tensor.Storage.Count} elements, of which {storage.Length} bytes are there.");
        }

        // An offset beyond the storage must not wrap around.
        var offset = tensor.Offset > storage.Length / size ? long.MaxValue : tensor.Offset * size;
        return new StoredTensor(info, storage, offset, tensor.Strides, file.Path);
    }

    private static TensorFile Guarded(MappedFile file, Func<TensorFile> read)
    {
        try
        {
            return read();
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Remembers the storages, which follow the pickles in the older format.</summary>
    private sealed class LegacyTypes : IPickleTypes
    {
        private readonly TorchTypes _types = new();

        public Dictionary<string, TorchStorage> Storages { get; } = new(StringComparer.Ordinal);

        public object? Find(string module, string name) => _types.Find(module, name);

        public object? Call(object? function, PickleTuple arguments) => _types.Call(function, arguments);

        public void SetState(object? target, object? state) => _types.SetState(target, state);

        public object? Persistent(object? id)
        {
            var storage = (TorchStorage)_types.Persistent(id)!;
            Storages[storage.Key] = storage;
            return storage;
        }
    }
}
