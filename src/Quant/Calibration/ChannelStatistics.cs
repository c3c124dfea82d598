using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Calibration;

/// <summary>
/// What calibration keeps of a value that linears read: per channel the extremes and means over all real tokens. Extremes are
/// float32, sums float64; nothing depends on how tokens were batched but <see cref="Ema"/>.
/// </summary>
internal sealed class ChannelStatistics
{
    /// <summary>Decay of <see cref="Ema"/> (PaddleSlim's EMASampler).</summary>
    public const double EmaDecay = 0.98;

    private const int FileVersion = 1;
    private readonly double[] _sum;
    private readonly double[] _ema;
    private double[]? _absSum;

    /// <param name="width">Number of channels.</param>
    public ChannelStatistics(int width)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        Width = width;
        Min = new float[width];
        Max = new float[width];
        _sum = new double[width];
        _absSum = new double[width];
        _ema = new double[width];
        Array.Fill(Min, float.PositiveInfinity);
        Array.Fill(Max, float.NegativeInfinity);
    }

    /// <summary>Number of channels.</summary>
    public int Width { get; }

    /// <summary>Rows added.</summary>
    public long Tokens { get; private set; }

    /// <summary>Calls of <see cref="Add"/> that brought rows.</summary>
    public long Batches { get; private set; }

    /// <summary>Smallest value of each channel.</summary>
    public float[] Min { get; }

    /// <summary>Largest value of each channel.</summary>
    public float[] Max { get; }

    /// <summary>Largest magnitude of each channel.</summary>
    public float[] AbsMax => PerChannel(c => Math.Max(Math.Abs(Min[c]), Math.Abs(Max[c])));

    /// <summary>Mean of each channel.</summary>
    public float[] Mean => PerChannel(c => (float)(_sum[c] / Tokens));

    /// <summary>Mean magnitude of each channel.</summary>
    /// <exception cref="InvalidOperationException">After <see cref="Shifted"/>: magnitudes of shifted values have to be measured.</exception>
    public float[] AbsMean => _absSum is { } sums
        ? PerChannel(c => (float)(sums[c] / Tokens))
        : throw new InvalidOperationException("The mean magnitude does not follow from statistics of the unshifted value; measure the shifted one.");

    /// <summary>Bias-corrected exponential moving average of the batches' means.</summary>
    public float[] Ema => PerChannel(c => (float)(_ema[c] / (1 - Math.Pow(EmaDecay, Batches))));

    /// <summary>Largest magnitude of all channels.</summary>
    public float TensorAbsMax => AbsMax.Max();

    /// <summary>Adds tokens.</summary>
    /// <param name="rows">[n, width], real tokens only: a padded token would enter every statistic.</param>
    /// <exception cref="InvalidInputException">A value is NaN or infinite.</exception>
    public void Add(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        if (rows.dim() != 2 || rows.shape[1] != Width)
            throw new ArgumentException($"Rows of [{string.Join(", ", rows.shape)}] for statistics of {Width} channels.", nameof(rows));
        var count = rows.shape[0];
        if (count == 0)
            return;
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var sum = Read<double>(rows.sum(0, type: ScalarType.Float64));
        var absSum = Read<double>(rows.abs().sum(0, type: ScalarType.Float64));
        for (var c = 0; c < Width; c++)
        {
            if (!double.IsFinite(absSum[c])) // a float64 sum of finite float32 values is finite
                throw Finite.Refuse("The calibration activations", absSum[c], FormattableString.Invariant($"channel {c}, tokens {Tokens} to {Tokens + count - 1}"));
        }

        var min = Read<float>(rows.amin([0]).to_type(ScalarType.Float32));
        var max = Read<float>(rows.amax([0]).to_type(ScalarType.Float32));
        for (var c = 0; c < Width; c++)
        {
            Min[c] = Math.Min(Min[c], min[c]);
            Max[c] = Math.Max(Max[c], max[c]);
            _sum[c] += sum[c];
            if (_absSum is not null)
                _absSum[c] += absSum[c];
            _ema[c] = EmaDecay * _ema[c] + (1 - EmaDecay) * (sum[c] / count);
        }

        Tokens += count;
        Batches++;
    }

    /// <summary>The statistics of x − offsets; <see cref="AbsMean"/> is lost.</summary>
    public ChannelStatistics Shifted(IReadOnlyList<float> offsets)
    {
        var result = Copy(offsets);
        result._absSum = null;
        for (var c = 0; c < Width; c++)
        {
            result.Min[c] = Min[c] - offsets[c];
            result.Max[c] = Max[c] - offsets[c];
            result._sum[c] = _sum[c] - Tokens * (double)offsets[c];
            result._ema[c] = _ema[c] - (1 - Math.Pow(EmaDecay, Batches)) * offsets[c];
        }

        return result;
    }

    /// <summary>The statistics of x / scales.</summary>
    public ChannelStatistics Divided(IReadOnlyList<float> scales)
    {
        var result = Copy(scales);
        result._absSum = _absSum is null ? null : new double[Width];
        for (var c = 0; c < Width; c++)
        {
            if (!(scales[c] > 0))
                throw new ArgumentException(FormattableString.Invariant($"The scale of channel {c} is {scales[c]}; it has to be above 0."), nameof(scales));
            result.Min[c] = Min[c] / scales[c];
            result.Max[c] = Max[c] / scales[c];
            result._sum[c] = _sum[c] / scales[c];
            result._ema[c] = _ema[c] / scales[c];
            if (_absSum is not null)
                result._absSum![c] = _absSum[c] / scales[c];
        }

        return result;
    }

    /// <summary>Writes the statistics; <see cref="Read(BinaryReader)"/> reads them.</summary>
    public void Write(BinaryWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(FileVersion);
        writer.Write(Width);
        writer.Write(Tokens);
        writer.Write(Batches);
        writer.Write(_absSum is not null);
        for (var c = 0; c < Width; c++)
        {
            writer.Write(Min[c]);
            writer.Write(Max[c]);
            writer.Write(_sum[c]);
            writer.Write(_ema[c]);
            if (_absSum is not null)
                writer.Write(_absSum[c]);
        }
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="InvalidInputException">It is of another version or damaged.</exception>
    public static ChannelStatistics Read(BinaryReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        try
        {
            if (reader.ReadInt32() is var version && version != FileVersion)
                throw new InvalidInputException($"The saved statistics have version {version}, this is version {FileVersion}; calibrate again.");
            const int WidestKnown = 1 << 24;
            var width = reader.ReadInt32();
            var (tokens, batches) = (reader.ReadInt64(), reader.ReadInt64());
            if (width is < 1 or > WidestKnown || tokens < 0 || batches < 0 || batches > tokens)
                throw new InvalidInputException("The saved statistics are damaged; calibrate again.");
            var result = new ChannelStatistics(width) { Tokens = tokens, Batches = batches };
            if (!reader.ReadBoolean())
                result._absSum = null;
            for (var c = 0; c < width; c++)
            {
                result.Min[c] = reader.ReadSingle();
                result.Max[c] = reader.ReadSingle();
                result._sum[c] = reader.ReadDouble();
                result._ema[c] = reader.ReadDouble();
                if (result._absSum is not null)
                    result._absSum[c] = reader.ReadDouble();
            }

            return result;
        }
        catch (EndOfStreamException)
        {
            throw new InvalidInputException("The saved statistics end early; calibrate again.");
        }
    }

    private static T[] Read<T>(Tensor values) where T : unmanaged
    {
        using var host = values.cpu();
        return host.data<T>().ToArray();
    }

    private ChannelStatistics Copy(IReadOnlyList<float> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.Count != Width)
            throw new ArgumentException($"{values.Count} values for {Width} channels.", nameof(values));
        return new ChannelStatistics(Width) { Tokens = Tokens, Batches = Batches };
    }

    private float[] PerChannel(Func<int, float> value)
    {
        if (Tokens == 0)
            throw new InvalidInputException("There are no calibration tokens; give a calibration text with at least one.");
        return [.. Enumerable.Range(0, Width).Select(value)];
    }
}
