using System.Buffers.Binary;
using System.Text;

namespace Runtime.Tests.Checkpoints;

/// <summary>Assembles pickles opcode by opcode, protocol 2 as torch.save writes it, and the archives around them.</summary>
internal sealed class PickleBuilder
{
    private readonly MemoryStream _bytes = new();

    public PickleBuilder(byte protocol = 2) => Op(0x80).Op(protocol);

    public byte[] ToArray() => _bytes.ToArray();

    public PickleBuilder Op(params ReadOnlySpan<byte> bytes)
    {
        _bytes.Write(bytes);
        return this;
    }

    public PickleBuilder Op(char code) => Op((byte)code);

    public PickleBuilder Text(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return Op('X').Raw32(bytes.Length).Op(bytes);
    }

    public PickleBuilder Bytes(ReadOnlySpan<byte> bytes) => Op('B').Raw32(bytes.Length).Op(bytes);

    public PickleBuilder Int(long value)
    {
        Span<byte> bytes = stackalloc byte[10];
        bytes[0] = 0x8a;
        bytes[1] = 8;
        BinaryPrimitives.WriteInt64LittleEndian(bytes[2..], value);
        return Op(bytes);
    }

    public PickleBuilder Tuple(params ReadOnlySpan<long> numbers)
    {
        Op('(');
        foreach (var number in numbers)
            Int(number);
        return Op('t');
    }

    public PickleBuilder Global(string module, string name) => Op('c').Op(Encoding.ASCII.GetBytes($"{module}\n{name}\n"));

    public PickleBuilder Put(byte index) => Op('q').Op(index);

    public PickleBuilder Get(byte index) => Op('h').Op(index);

    /// <summary>A tensor over a storage, as torch._utils._rebuild_tensor_v2.</summary>
    public PickleBuilder Tensor(string storageType, string key, long count, long offset, ReadOnlySpan<long> shape, ReadOnlySpan<long> strides) =>
        Global("torch._utils", "_rebuild_tensor_v2").Op('(')
            .Op('(').Text("storage").Global("torch", storageType).Text(key).Text("cpu").Int(count).Op('t').Op('Q')
            .Int(offset).Tuple(shape).Tuple(strides).Op(0x89).Global("collections", "OrderedDict").Op(')').Op('R').Op('t').Op('R');

    /// <summary>An array, as numpy pickles it.</summary>
    public PickleBuilder Array(string dtype, ReadOnlySpan<long> shape, ReadOnlySpan<byte> data, bool fortran = false) =>
        ArrayBeforeData(dtype, shape, fortran).Bytes(data).ArrayAfterData();

    /// <summary>An array as far as its bytes.</summary>
    public PickleBuilder ArrayBeforeData(string dtype, ReadOnlySpan<long> shape, bool fortran = false) =>
        Global("numpy.core.multiarray", "_reconstruct").Op('(').Global("numpy", "ndarray").Tuple(0).Bytes("b"u8).Op('t').Op('R')
            .Op('(').Int(1).Tuple(shape)
            .Global("numpy", "dtype").Op('(').Text(dtype).Op(0x89).Op(0x88).Op('t').Op('R')
            .Op('(').Int(3).Text("<").Op('N').Op('N').Op('N').Int(-1).Int(-1).Int(0).Op('t').Op('b')
            .Op(fortran ? (byte)0x88 : (byte)0x89);

    /// <summary>What follows an array's bytes.</summary>
    public PickleBuilder ArrayAfterData() => Op('t').Op('b');

    private PickleBuilder Raw32(int value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        return Op(bytes);
    }
}

/// <summary>Stored zip archives, with ZIP64 records where asked for (the .NET class writes them only beyond 4 GB).</summary>
internal static class ZipBuilder
{
    public static byte[] Archive(bool zip64, params (string Name, byte[] Data)[] members)
    {
        var file = new MemoryStream();
        Write(file, zip64, [.. members.Select(member => (member.Name, 0L, member.Data))]);
        return file.ToArray();
    }

    /// <summary>Writes an archive whose members begin with a number of zeros, which a file need not store.</summary>
    public static void Write(Stream file, bool zip64, params (string Name, long Zeros, byte[] Data)[] members)
    {
        var writer = new BinaryWriter(file);
        var directory = new MemoryStream();
        var entries = new BinaryWriter(directory);
        foreach (var (name, zeros, data) in members)
        {
            var length = zeros + data.Length;
            var local = file.Position;
            var nameBytes = Encoding.UTF8.GetBytes(name);
            writer.Write(0x04034b50);
            writer.Write(new byte[14]);
            writer.Write(zip64 ? uint.MaxValue : (uint)length);
            writer.Write(zip64 ? uint.MaxValue : (uint)length);
            writer.Write((ushort)nameBytes.Length);
            writer.Write((ushort)3);
            writer.Write(nameBytes);
            writer.Write(new byte[3]);
            file.Seek(zeros, SeekOrigin.Current);
            writer.Write(data);

            entries.Write(0x02014b50);
            entries.Write(new byte[16]);
            entries.Write(zip64 ? uint.MaxValue : (uint)length);
            entries.Write(zip64 ? uint.MaxValue : (uint)length);
            entries.Write((ushort)nameBytes.Length);
            entries.Write((ushort)(zip64 ? 28 : 0));
            entries.Write(new byte[10]);
            entries.Write(zip64 ? uint.MaxValue : (uint)local);
            entries.Write(nameBytes);
            if (!zip64)
                continue;
            entries.Write((ushort)1);
            entries.Write((ushort)24);
            entries.Write(length);
            entries.Write(length);
            entries.Write(local);
        }

        var start = file.Position;
        writer.Write(directory.ToArray());
        if (zip64)
        {
            var end64 = file.Position;
            writer.Write(0x06064b50);
            writer.Write(44L);
            writer.Write(new byte[12]);
            writer.Write((long)members.Length);
            writer.Write((long)members.Length);
            writer.Write(directory.Length);
            writer.Write(start);
            writer.Write(0x07064b50);
            writer.Write(0);
            writer.Write(end64);
            writer.Write(1);
        }

        writer.Write(0x06054b50);
        writer.Write(0);
        writer.Write((ushort)(zip64 ? ushort.MaxValue : members.Length));
        writer.Write((ushort)(zip64 ? ushort.MaxValue : members.Length));
        writer.Write(zip64 ? uint.MaxValue : (uint)directory.Length);
        writer.Write(zip64 ? uint.MaxValue : (uint)start);
        writer.Write((ushort)0);
    }
}
