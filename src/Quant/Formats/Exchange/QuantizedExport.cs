using System.Runtime.InteropServices;
using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Checkpoints.Writing;
using Generated.Configuration;
using Generated.Layers;
using Generated.Loading;
using Generated.Loading.Converting;
using Generated.Quant.Weights;
using static TorchSharp.torch;

namespace Generated.Quant.Formats.Exchange;

/// <summary>Writes a checkpoint of the own format in a layout that other libraries read, one tensor in memory at a time.</summary>
public static class QuantizedExport
{
    /// <summary>Names of the layouts.</summary>
    public static IReadOnlyList<string> Layouts { get; } = ["gptq", "awq"];

    /// <summary>Writes a folder.</summary>
    /// <param name="source">A folder of the own format, weight-only and with nothing that the layout has no place for.</param>
    /// <param name="target">The folder to write.</param>
    /// <param name="layout"><c>gptq</c> or <c>awq</c>.</param>
    /// <param name="overwrite">Whether a folder that is there is replaced.</param>
    /// <param name="progress">Told the share that is written.</param>
    /// <param name="cancellation">Stops between two tensors.</param>
    /// <exception cref="InvalidInputException">The source is no such folder, or the layout cannot express it; the message says why.</exception>
    public static void Write(string source, string target, string layout, bool overwrite = false, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        var form = Layout(layout);
        var config = ConfigReader.Load(source);
        if (config.Object(QuantizedFormats.Key)?.String("quant_method") != Manifest.Method)
            throw new InvalidInputException($"{source} is not quantized by this library, so that it cannot be written as {layout}; quantize it first.");
        var manifest = Manifest.Read(config);
        new GeneratedFormat().Check(source, config);
        var (architecture, typed) = ModelLoader.ReadAnyConfig(config);
        using var shapes = architecture.Create(typed, new BuildOptions { Device = META });
        using var file = Checkpoint.Open(source);
        var linears = ModelNames.Linears(shapes);
        ExchangeRules.Check(form, manifest, linears, source);
        var common = Common(manifest, linears, file);
        var plan = Plan(form, manifest, linears, file);
        using var transaction = FolderTransaction.Begin(target, overwrite);
        using (var writer = CheckpointWriter.Create(transaction.Folder, plan.SelectMany(p => p.Tensors)))
        {
            for (var i = 0; i < plan.Count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                plan[i].Write(writer, common);
                file.ForgetPages();
                progress?.Report((i + 1.0) / plan.Count);
            }

            writer.Complete();
        }

        var described = new ConfigWriter(config);
        described.Set(QuantizedFormats.Key, form.ToJson(common));
        described.Save(Path.Combine(transaction.Folder, ConfigReader.FileName));
        CompanionFiles.Copy(source, transaction.Folder);
        transaction.Commit();
    }

    internal static IExchangeLayout Layout(string name) => name switch
    {
        "gptq" => new GptqLayout(),
        "awq" => new AwqLayout(),
        _ => throw new InvalidInputException($"The layout '{name}' is not known: use {string.Join(" or ", Layouts)}."),
    };

    private static ExchangeConfig Common(Manifest manifest, IReadOnlyDictionary<string, NamedLinear> linears, ITensorSource file)
    {
        var quantized = manifest.Linears.Where(l => l.Value.IsQuantized).ToList();
        return new ExchangeConfig
        {
            Bits = quantized[0].Value.Bits,
            GroupSize = quantized.Max(l => l.Value.GroupSize),
            ActOrder = quantized.Any(l => l.Value.HasOrder),
            Symmetric = quantized.All(l => !l.Value.HasZeros),
            // The first version cannot store a zero point of 0: it would be −1.
            ZerosLessOne = !quantized.Where(l => l.Value.HasZeros).Any(l => PackedParts.Values<byte>(file, l.Key + LinearTensors.Zeros).Contains((byte)0)),
            Kept = [.. linears.Where(l => l.Value.Slot.Block >= 0 && !quantized.Any(q => q.Key == l.Key)).Select(l => l.Key)],
            Head = quantized.Any(l => linears[l.Key].Slot.Block < 0),
        };
    }

    private static List<Piece> Plan(IExchangeLayout form, Manifest manifest, IReadOnlyDictionary<string, NamedLinear> linears, ITensorSource file)
    {
        var pieces = new List<Piece>();
        var others = file.Tensors.Keys.ToHashSet(StringComparer.Ordinal);
        foreach (var (name, format) in manifest.Linears.Where(l => l.Value.IsQuantized))
        {
            var place = linears[name].Linear;
            foreach (var (stored, _, _) in format.Tensors(name, place.OutWidth, place.InWidth))
                others.Remove(stored);
            var tensors = form.Tensors(format, place.OutWidth, place.InWidth).Select(t => new TensorInfo(name + t.Suffix, t.Type, t.Shape)).ToList();
            if (format.HasBias)
                tensors.Add(new TensorInfo(name + LinearTensors.Bias, DType.F16, place.OutWidth));
            pieces.Add(new Piece(tensors, (writer, common) => WriteLinear(writer, form, common, file, name, format, place)));
        }

        foreach (var info in others.Select(name => file.Tensors[name]))
        {
            pieces.Add(new Piece([info], (writer, _) =>
            {
                using var value = file.Load(info.Name);
                writer.Append(info.Name, value);
            }));
        }

        return pieces;
    }

    private static void WriteLinear(CheckpointWriter writer, IExchangeLayout form, ExchangeConfig common, ITensorSource file, string name, LinearFormat format, Linear place)
    {
        var weight = PackedParts.ReadWeight(file, name, format, place.OutWidth, place.InWidth);
        foreach (var (tensor, values) in form.Tensors(format, place.OutWidth, place.InWidth).Zip(form.Pack(weight, common)))
        {
            writer.Append(name + tensor.Suffix, values switch
            {
                uint[] words => MemoryMarshal.AsBytes<uint>(words),
                int[] numbers => MemoryMarshal.AsBytes<int>(numbers),
                Half[] halves => MemoryMarshal.AsBytes<Half>(halves),
                _ => throw new InvalidOperationException($"No bytes of {values.GetType()}."),
            });
        }

        if (format.HasBias)
            writer.Append(name + LinearTensors.Bias, MemoryMarshal.AsBytes<Half>(Array.ConvertAll(PackedParts.Values<float>(file, name + LinearTensors.Bias), v => (Half)v)));
    }

    /// <summary>Tensors that are written together.</summary>
    private sealed record Piece(IReadOnlyList<TensorInfo> Tensors, Action<CheckpointWriter, ExchangeConfig> Write);
}
