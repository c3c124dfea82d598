using Generated.Layers;

namespace Generated.Quant.Formats.Exchange;

/// <summary>What a layout of other libraries has no place for.</summary>
internal static class ExchangeRules
{
    /// <summary>Refuses a checkpoint, written or planned, that a layout cannot express.</summary>
    /// <param name="form">The layout.</param>
    /// <param name="manifest">What the checkpoint holds.</param>
    /// <param name="linears">The model's linears by name; shapes are enough.</param>
    /// <param name="subject">What the message calls it.</param>
    /// <exception cref="InvalidInputException">It cannot; the message says what and why.</exception>
    public static void Check(IExchangeLayout form, Manifest manifest, IReadOnlyDictionary<string, NamedLinear> linears, string subject)
    {
        var quantized = manifest.Linears.Where(l => l.Value.IsQuantized).ToList();
        if (quantized.Count == 0)
            throw Refused(null, "no linear is quantized");
        var (largest, first) = (quantized.Max(l => l.Value.GroupSize), quantized[0]);
        if (manifest.NormBiases.Count > 0)
            throw Refused(manifest.NormBiases.First(), "a shift gave the norm a bias, which other libraries do not load");
        if (manifest.KvLayers.Count > 0)
            throw Refused(null, "keys and values are kept in 8 bits");
        if (manifest.Embedding is not null)
            throw Refused(null, "the embedding is quantized");
        foreach (var (name, format) in manifest.Linears)
        {
            var place = linears[name].Linear;
            if (format.IsQuantized && linears[name].Slot.Block < 0 && !form.TakesHead)
                throw Refused(name, "readers of the layout expect everything outside blocks in floats: keep it when quantizing");
            if (format.HasShift || format.HasDivisor)
                throw Refused(name, "an operation is inserted in front of it");
            if (format.Activations is not null)
                throw Refused(name, "its input is quantized too");
            if (format.HasBias && place.Bias is null)
                throw Refused(name, "it has a bias that the architecture does not declare");
            if (format.IsQuantized && (format.Bits != first.Value.Bits || Size(format, place) != Size(first.Value, linears[first.Key].Linear)))
                throw Refused(name, "its bits or group size are not those of the other linears");
            if (format.IsQuantized && form.Refusal(format, place.OutWidth, place.InWidth) is { } reason)
                throw Refused(name, reason);
        }

        // A row of one group is of any size that covers it.
        int Size(LinearFormat format, Linear place) => format.GroupSize == 0 && largest >= place.InWidth ? largest : format.GroupSize;

        InvalidInputException Refused(string? name, string reason) =>
            new($"{subject} cannot be written in the {form.Method} layout{(name is null ? "" : $": '{name}'")}, because {reason}.");
    }
}
