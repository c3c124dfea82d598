using Generated.Architectures;
using Generated.Checkpoints;
using Generated.Configuration;
using Generated.Layers;
using Generated.Loading;
using Generated.Passes;
using Generated.Quant.Layers;
using Generated.Quant.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Formats;

/// <summary>The own format: everything that a <see cref="QuantizedCheckpointWriter"/> writes.</summary>
internal sealed class GeneratedFormat : QuantizedFormat
{
    public override string Method => Manifest.Method;

    protected override IQuantizedContent Describe(ConfigReader config, CausalModel model, ITensorSource file) => new Content(config, Manifest.Read(config), model);

    private sealed class Content : IQuantizedContent
    {
        private readonly Manifest _manifest;
        private readonly CausalModel _model;
        private readonly IReadOnlyDictionary<string, NamedLinear> _linears;
        private readonly IReadOnlyDictionary<string, INorm> _norms;
        private readonly WeightSlot? _embedding;

        public Content(ConfigReader config, Manifest manifest, CausalModel model)
        {
            (_manifest, _model, _linears) = (manifest, model, ModelNames.Linears(model));
            _norms = ModelNames.Norms(model.Weights());
            _embedding = manifest.Embedding is null ? null : model.Weights().First(s => s.Layer is Embedding);
            Require(manifest.Linears.Keys.FirstOrDefault(name => !_linears.ContainsKey(name)), "linear");
            Require(manifest.NormBiases.FirstOrDefault(name => !_norms.ContainsKey(name)), "norm");
            Require(manifest.KvLayers.FirstOrDefault(i => i < 0 || i >= model.Context.Attentions.Count, -1) is var layer and >= 0 ? $"{layer}" : null, "attention layer");

            void Require(string? unknown, string what)
            {
                if (unknown is not null)
                    throw new InvalidInputException($"{config.Location}: '{QuantizedFormats.Key}' names {what} '{unknown}', which the model does not have.");
            }
        }

        public TensorSpec? Plain(TensorSpec spec)
        {
            if (_manifest.Linears.TryGetValue(ModelNames.Stem(spec.Name), out var format) && format.IsQuantized)
                return null;
            if (_embedding is null || (spec.Name != _embedding.Name && spec.TiedTo != _embedding.Name))
                return spec;
            return spec.TiedTo is null || _manifest.Embedding!.TiedHead ? null : spec with { TiedTo = null };
        }

        public IEnumerable<string> Check(ITensorSource file, CoverageReport problems)
        {
            foreach (var (name, shape, types) in Expected())
            {
                if (!file.Tensors.TryGetValue(name, out var info))
                    problems.Missing(name, shape);
                else if (!info.Shape.SequenceEqual(shape))
                    problems.WrongShape(info, shape);
                else if (!types.Contains(info.DType))
                    problems.WrongType(info, string.Join(" or ", types.Select(t => t.SafetensorsName())));
                yield return name;
            }
        }

        public void PutInto(ITensorSource file, Action<double> progress, Action forget, CancellationToken cancellation)
        {
            var done = 0;
            foreach (var (name, format) in _manifest.Linears)
            {
                cancellation.ThrowIfCancellationRequested();
                Replace(file, _linears[name], format);
                forget();
                progress((double)++done / _manifest.Linears.Count);
            }

            foreach (var name in _manifest.NormBiases)
            {
                _norms[name].EnsureBias();
                file.LoadInto(name + ModelNames.Bias, _norms[name].Bias!.Value);
            }

            foreach (var index in _manifest.KvLayers)
            {
                var attention = _model.Context.Attentions[index];
                var scales = new KvScales(PackedParts.Values<float>(file, ModelNames.KeyScales(index)), PackedParts.Values<float>(file, ModelNames.ValueScales(index)));
                attention.RoundKeysAndValues(scales.Part((int)attention.KvRange.Start, attention.KvHeads));
            }

            if (_embedding is not null)
                QuantizedEmbeddingTable.Put(_model, _embedding, _manifest.Embedding!, file);
        }

        private IEnumerable<(string Name, long[] Shape, DType[] Types)> Expected()
        {
            foreach (var (name, format) in _manifest.Linears)
            {
                foreach (var tensor in format.Tensors(name, _linears[name].Linear.OutWidth, _linears[name].Linear.InWidth))
                    yield return tensor;
            }

            foreach (var name in _manifest.NormBiases)
                yield return (name + ModelNames.Bias, [.. _norms[name].Weight.Shape], [DType.F32]);
            foreach (var index in _manifest.KvLayers)
            {
                var heads = _model.Context.Attentions[index].WholeKvHeads;
                yield return (ModelNames.KeyScales(index), [heads], [DType.F32]);
                yield return (ModelNames.ValueScales(index), [heads], [DType.F32]);
            }

            if (_embedding is null)
                yield break;
            var stem = ModelNames.Stem(_embedding.Name);
            yield return (stem + EmbeddingTensors.Codes, [.. _embedding.Shape], [_manifest.Embedding!.Bits == 8 ? DType.I8 : DType.I16]);
            yield return (stem + EmbeddingTensors.Scales, [_embedding.Shape[0]], [DType.F32]);
        }

        private static void Replace(ITensorSource file, NamedLinear place, LinearFormat format)
        {
            var before = place.Linear;
            try
            {
                if (format.IsQuantized)
                {
                    place.Slot.Linear = new QuantizedLinear(before, PackedParts.Read(file, place.Name, format, before));
                    before.Dispose();
                    return;
                }

                if (format.HasBias && before is DenseLinear dense)
                    LoadAddedBias(file, place, dense);
                if (PackedParts.Transform(file, place.Name, format, before) is { } transform)
                    place.Slot.Linear = TransformedLinear.OfPart(before, transform);
            }
            catch (InvalidInputException e)
            {
                throw new InvalidInputException($"{file.Location}: '{place.Name}' cannot be loaded: {e.Message.TrimEnd('.')}.", e);
            }
        }

        private static void LoadAddedBias(ITensorSource file, NamedLinear place, DenseLinear dense)
        {
            using var _ = no_grad();
            dense.EnsureBias();
            var values = LinearShare.Vector(PackedParts.Values<float>(file, place.Name + LinearTensors.Bias), dense.OutputRanges)!;
            using var bias = tensor(values);
            using var target = dense.Bias!.Value.narrow(0, 0, values.Length);
            target.copy_(bias).Dispose(); // what it returns is another handle
        }
    }
}
