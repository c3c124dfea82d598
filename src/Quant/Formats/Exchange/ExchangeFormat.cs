using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Configuration;
using Generated.Loading;
using Generated.Quant.Layers;

namespace Generated.Quant.Formats.Exchange;

/// <summary>Loads checkpoints that other libraries quantized: linears that have a <c>qweight</c> are packed, all others are plain.</summary>
internal sealed class ExchangeFormat(IExchangeLayout layout) : QuantizedFormat
{
    private const string GroupIndex = ".g_idx";

    public override string Method => layout.Method;

    protected override IQuantizedContent Describe(ConfigReader config, CausalModel model, ITensorSource file) =>
        new Content(layout, layout.Read(config.Object(QuantizedFormats.Key)!), model, file);

    private sealed class Content : IQuantizedContent
    {
        private readonly IExchangeLayout _layout;
        private readonly ExchangeConfig _config;
        private readonly IReadOnlyDictionary<string, NamedLinear> _linears;

        public Content(IExchangeLayout layout, ExchangeConfig config, CausalModel model, ITensorSource file)
        {
            (_layout, _config) = (layout, config);
            _linears = ModelNames.Linears(model).Where(l => file.Tensors.ContainsKey(l.Key + ".qweight")).ToDictionary(l => l.Key, l => l.Value, StringComparer.Ordinal);
            foreach (var (name, place) in _linears)
            {
                if (layout.Refusal(Format(place), place.Linear.OutWidth, place.Linear.InWidth) is { } reason)
                    throw new InvalidInputException($"{file.Location}: '{name}' cannot be in the {layout.Method} layout, because {reason}.");
            }
        }

        public TensorSpec? Plain(TensorSpec spec) => _linears.ContainsKey(ModelNames.Stem(spec.Name)) ? null : spec;

        public IEnumerable<string> Check(ITensorSource file, CoverageReport problems)
        {
            foreach (var (name, place) in _linears)
            {
                foreach (var (suffix, type, shape) in _layout.Tensors(Format(place), place.Linear.OutWidth, place.Linear.InWidth))
                    yield return Check(file, problems, name + suffix, shape, type, isOptional: suffix == GroupIndex && !_config.ActOrder);
                // Writers store a bias of zeros where the model has none.
                yield return Check(file, problems, name + LinearTensors.Bias, [place.Linear.OutWidth], DType.F16, isOptional: place.Linear.Bias is null);
            }
        }

        public void PutInto(ITensorSource file, Action<double> progress, Action forget, CancellationToken cancellation)
        {
            var done = 0;
            foreach (var (name, place) in _linears)
            {
                cancellation.ThrowIfCancellationRequested();
                var before = place.Linear;
                try
                {
                    var state = new LinearState { Weight = _layout.Unpack(file, name, _config, before.OutWidth, before.InWidth), Bias = Bias(file, name) };
                    place.Slot.Linear = new QuantizedLinear(before, LinearPart.Of(before, state));
                }
                catch (InvalidInputException e)
                {
                    throw new InvalidInputException($"{file.Location}: '{name}' cannot be loaded: {e.Message.TrimEnd('.')}.", e);
                }

                before.Dispose();
                forget();
                progress((double)++done / _linears.Count);
            }
        }

        private LinearFormat Format(NamedLinear place) => new()
        {
            Bits = _config.Bits,
            GroupSize = _config.GroupSize >= place.Linear.InWidth ? 0 : _config.GroupSize,
            HasOrder = _config.ActOrder && _layout is not AwqLayout,
        };

        private static float[]? Bias(ITensorSource file, string name)
        {
            if (!file.Tensors.ContainsKey(name + LinearTensors.Bias))
                return null;
            using var bias = file.Load(name + LinearTensors.Bias, dtype: TorchSharp.torch.ScalarType.Float32);
            var values = bias.data<float>().ToArray();
            return values.All(v => v == 0) ? null : values;
        }

        private static string Check(ITensorSource file, CoverageReport problems, string name, long[] shape, DType type, bool isOptional)
        {
            if (!file.Tensors.TryGetValue(name, out var info))
            {
                if (!isOptional)
                    problems.Missing(name, shape);
            }
            else if (!info.Shape.SequenceEqual(shape))
                problems.WrongShape(info, shape);
            else if (type == DType.I32 ? info.DType != DType.I32 : info.DType is not (DType.F16 or DType.BF16 or DType.F32))
                problems.WrongType(info, type.SafetensorsName());
            return name;
        }
    }
}
