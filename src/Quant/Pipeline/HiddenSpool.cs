using Generated.Quant.Calibration;
using Microsoft.Win32.SafeHandles;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>
/// Hidden states of all calibration tokens in a file, float32 batch after batch: what one unit gives and the next one takes. On disk,
/// so that memory does not grow with the number of tokens.
/// </summary>
internal sealed class HiddenSpool : IDisposable
{
    private const string PartialSuffix = ".partial";
    private readonly string _path;
    private readonly long[][] _shapes;
    private readonly long[] _offsets;
    private SafeFileHandle? _handle;

    private HiddenSpool(string path, CalibrationSet set, int width)
    {
        _path = path;
        _shapes = [.. set.Batches.Select(batch => new long[] { batch.Rows, batch.Length, width })];
        _offsets = new long[_shapes.Length + 1];
        for (var i = 0; i < _shapes.Length; i++)
            _offsets[i + 1] = checked(_offsets[i] + _shapes[i].Aggregate((long)sizeof(float), (a, b) => checked(a * b)));
    }

    /// <summary>Begins a spool; it has its name once it is <see cref="Complete"/>.</summary>
    /// <exception cref="GeneratedException">It cannot be written.</exception>
    public static HiddenSpool Create(string path, CalibrationSet set, int width)
    {
        var spool = new HiddenSpool(path, set, width);
        spool._handle = Do(path, () => File.OpenHandle(path + PartialSuffix, FileMode.Create, FileAccess.ReadWrite, FileShare.None, FileOptions.None, spool._offsets[^1]));
        return spool;
    }

    /// <summary>Opens a complete spool.</summary>
    /// <returns>Null where there is none that fits these tokens.</returns>
    public static HiddenSpool? Open(string path, CalibrationSet set)
    {
        if (!File.Exists(path))
            return null;
        var perChannel = set.Batches.Sum(batch => (long)batch.Rows * batch.Length) * sizeof(float);
        var length = new FileInfo(path).Length;
        if (length == 0 || length % perChannel != 0)
            return null;
        var spool = new HiddenSpool(path, set, checked((int)(length / perChannel)));
        spool._handle = Do(path, () => File.OpenHandle(path));
        return spool;
    }

    /// <summary>Writes a batch's hidden states, [B, T, width].</summary>
    public unsafe void Write(int batch, Tensor value)
    {
        if (!value.shape.SequenceEqual(_shapes[batch]))
            throw new ArgumentException($"Hidden states of [{string.Join(", ", value.shape)}] where [{string.Join(", ", _shapes[batch])}] are expected.", nameof(value));
        using var wide = value.to_type(ScalarType.Float32);
        using var host = wide.cpu();
        using var flat = host.contiguous();
        Each(batch, flat, (address, length, offset) => RandomAccess.Write(_handle!, new ReadOnlySpan<byte>((byte*)address, length), offset));
    }

    /// <summary>Reads a batch's hidden states; the caller's.</summary>
    public unsafe Tensor Read(int batch, Device device)
    {
        var value = empty(_shapes[batch], ScalarType.Float32);
        Each(batch, value, (address, length, offset) =>
        {
            for (var done = 0; done < length;)
            {
                var count = RandomAccess.Read(_handle!, new Span<byte>((byte*)address + done, length - done), offset + done);
                if (count == 0)
                    throw new GeneratedException($"{_path} has become shorter while it was read.");
                done += count;
            }
        });
        if (device.type == DeviceType.CPU)
            return value;
        using (value)
            return value.to(device);
    }

    /// <summary>Flushes the file to the disk and gives it its name.</summary>
    public void Complete() => Do(_path, () =>
    {
        RandomAccess.FlushToDisk(_handle!);
        File.Move(_path + PartialSuffix, _path, overwrite: true);
        return true;
    });

    /// <summary>Closes the file and deletes it.</summary>
    public void Delete()
    {
        Dispose();
        File.Delete(_path);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _handle?.Dispose();
        _handle = null;
    }

    private void Each(int batch, Tensor tensor, Action<nint, int, long> transfer)
    {
        const int Piece = 1 << 28;
        var address = Native.TorchSharpExports.Address(tensor);
        var bytes = _offsets[batch + 1] - _offsets[batch];
        Do(_path, () =>
        {
            for (long done = 0; done < bytes; done += Piece)
                transfer(address + (nint)done, (int)Math.Min(Piece, bytes - done), _offsets[batch] + done);
            return true;
        });
        GC.KeepAlive(tensor);
    }

    private static T Do<T>(string path, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new GeneratedException($"{path} cannot be used for calibration's hidden states: {e.Message}", e);
        }
    }
}
