using System.Runtime.InteropServices;
using Generated.Quant.Calibration;
using Generated.Quant.Observers;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>The observers whose thresholds are kept.</summary>
/// <param name="Sites">Of the values that linears read.</param>
/// <param name="Cache">Of cached keys and values.</param>
internal sealed record SavedKinds(IReadOnlyList<ActivationObserver> Sites, IReadOnlyList<ActivationObserver> Cache);

/// <summary>What is kept of a unit's exact values between runs.</summary>
/// <param name="Seen">Statistics, samples and thresholds.</param>
/// <param name="FirstRow">What the unit gets for the first row of tokens: ids [1, T] or hidden states [1, T, width].</param>
internal sealed record SavedUnit(Observation Seen, Tensor FirstRow) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose()
    {
        Seen.Dispose();
        FirstRow.Dispose();
    }

    /// <summary>Writes what <see cref="Read"/> reads.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="seen">What was seen.</param>
    /// <param name="firstRow">The first row's input.</param>
    /// <param name="kinds">The observers whose thresholds are kept.</param>
    public static void Write(BinaryWriter writer, Observation seen, Tensor firstRow, SavedKinds kinds)
    {
        Write(writer, kinds.Sites);
        Write(writer, kinds.Cache);
        var isIds = firstRow.dtype == ScalarType.Int64;
        writer.Write(isIds);
        Write(writer, firstRow, isIds ? ScalarType.Int64 : ScalarType.Float32);
        writer.Write(seen.Sites.Count);
        foreach (var (site, record) in seen.Sites)
        {
            writer.Write(site);
            record.Statistics!.Write(writer);
            writer.Write(record.Sample.Stride);
            writer.Write(record.Sample.Seen);
            using var sample = record.Sample.ToTensor();
            Write(writer, sample, ScalarType.Float32);
            foreach (var kind in kinds.Sites)
                writer.Write(record.Threshold(kind));
        }

        writer.Write(seen.KeyValues.Count);
        foreach (var (index, thresholds) in seen.KeyValues)
        {
            writer.Write(index);
            foreach (var kind in kinds.Cache)
            {
                Write(writer, thresholds[kind].Keys);
                Write(writer, thresholds[kind].Values);
            }
        }
    }

    /// <summary>The observers whose thresholds a file has.</summary>
    public static SavedKinds ReadKinds(BinaryReader reader)
    {
        return new SavedKinds(Kinds(), Kinds());

        IReadOnlyList<ActivationObserver> Kinds() => [.. Enumerable.Range(0, Count(reader, sizeof(int))).Select(_ => (ActivationObserver)reader.ReadInt32())];
    }

    /// <summary>Reads a unit.</summary>
    /// <exception cref="InvalidInputException">It is damaged.</exception>
    public static SavedUnit Read(BinaryReader reader, Device device)
    {
        var kinds = ReadKinds(reader);
        var firstRow = ReadTensor(reader, reader.ReadBoolean() ? ScalarType.Int64 : ScalarType.Float32, device);
        var sites = new Dictionary<string, SiteRecord>(StringComparer.Ordinal);
        for (var left = Count(reader, 1); left > 0; left--)
        {
            var site = reader.ReadString();
            var statistics = ChannelStatistics.Read(reader);
            var (stride, seen) = (reader.ReadInt64(), reader.ReadInt64());
            sites.Add(site, new SiteRecord(statistics.Width)
            {
                Statistics = statistics,
                Sample = RowSample.Of(ReadTensor(reader, ScalarType.Float32, device), stride, seen),
                Observers = kinds.Sites.ToDictionary(kind => kind, _ => (IThresholdObserver)new KnownThreshold(reader.ReadDouble())),
            });
        }

        var caches = new SortedDictionary<int, IReadOnlyDictionary<ActivationObserver, KvThresholds>>();
        for (var left = Count(reader, 1); left > 0; left--)
            caches.Add(reader.ReadInt32(), kinds.Cache.ToDictionary(kind => kind, _ => new KvThresholds(ReadDoubles(reader), ReadDoubles(reader))));
        return new SavedUnit(new Observation(sites) { KeyValues = caches }, firstRow);
    }

    private static void Write(BinaryWriter writer, Tensor values, ScalarType type)
    {
        using var typed = values.to_type(type);
        using var host = typed.cpu();
        using var flat = host.contiguous();
        writer.Write(flat.shape.Length);
        foreach (var size in flat.shape)
            writer.Write(size);
        writer.Write(flat.bytes);
    }

    private static Tensor ReadTensor(BinaryReader reader, ScalarType type, Device device)
    {
        var shape = new long[Count(reader, sizeof(long))];
        long count = 1;
        for (var i = 0; i < shape.Length; i++)
        {
            shape[i] = reader.ReadInt64();
            count = shape[i] >= 0 && (count == 0 || shape[i] <= int.MaxValue / Math.Max(1, count)) ? count * shape[i] : throw Damaged();
        }

        var size = type == ScalarType.Int64 ? sizeof(long) : sizeof(float);
        if (count * size > Left(reader))
            throw Damaged();
        var bytes = reader.ReadBytes((int)(count * size));
        using var flat = type == ScalarType.Int64 ? tensor(MemoryMarshal.Cast<byte, long>(bytes).ToArray()) : tensor(MemoryMarshal.Cast<byte, float>(bytes).ToArray());
        using var shaped = flat.reshape(shape);
        return shaped.to(device, copy: true);
    }

    private static void Write(BinaryWriter writer, IReadOnlyList<ActivationObserver> kinds)
    {
        writer.Write(kinds.Count);
        foreach (var kind in kinds)
            writer.Write((int)kind);
    }

    private static void Write(BinaryWriter writer, double[] values)
    {
        writer.Write(values.Length);
        foreach (var value in values)
            writer.Write(value);
    }

    private static double[] ReadDoubles(BinaryReader reader)
    {
        var values = new double[Count(reader, sizeof(double))];
        for (var i = 0; i < values.Length; i++)
            values[i] = reader.ReadDouble();
        return values;
    }

    /// <summary>A count of things of at least some bytes each, which have to be there.</summary>
    private static int Count(BinaryReader reader, int bytes) =>
        reader.ReadInt32() is var count && count >= 0 && (long)count * bytes <= Left(reader) ? count : throw Damaged();

    private static long Left(BinaryReader reader) => reader.BaseStream.Length - reader.BaseStream.Position;

    private static InvalidInputException Damaged() => new("The saved statistics are damaged; calibrate again.");

    /// <summary>A threshold that an earlier run has found.</summary>
    private sealed class KnownThreshold(double value) : IThresholdObserver
    {
        public void Add(Tensor rows) => throw new InvalidOperationException("What an earlier run has seen cannot be added to.");

        public double Threshold() => value;

        public void Dispose()
        {
        }
    }
}
