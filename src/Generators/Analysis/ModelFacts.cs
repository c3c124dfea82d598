using System.Text.RegularExpressions;
using Generated.Generators.Graph;
using Generated.Quant.Recipes.Rules;

namespace Generated.Generators.Analysis;

/// <summary>What the rules of recipes need to know of a model, before any config is: switches of the config stay open, sizes are the presets'.</summary>
internal static class ModelFacts
{
    public static RecipeFacts Of(ClassSpec model)
    {
        var parts = model.Layers.OfType<RepeatSpec>().Select(r => r.Block).Distinct().Prepend(model).Select(c => new Part(c)).ToList();
        return new RecipeFacts
        {
            Model = model.Name,
            Linears = parts.SelectMany(p => p.Linears).ToContentList(),
            Norms = parts.SelectMany(p => p.Norms).ToContentList(),
            PairTargets = parts.SelectMany(p => p.PairTargets).Distinct().ToContentList(),
            HasAttention = parts.Any(p => p.HasAttention),
            Sizes = (model.Config?.Presets ?? default).Select(preset => new SizeFacts(
                $"preset {preset.Name}", Blocks(model, preset), parts.SelectMany(p => p.Inputs(preset)).ToContentList())).ToContentList(),
        };
    }

    private static int? Blocks(ClassSpec model, PresetSpec preset)
    {
        var counts = model.Layers.OfType<RepeatSpec>().Select(r => Number(preset, r.Count)).ToList();
        return counts.Contains(null) ? null : (int)counts.Sum(c => c!.Value);
    }

    private static long? Number(PresetSpec preset, DimRef width) => preset.Value(width.Member) ?? width.Value.Evaluate(preset.Value);

    /// <summary>One class: the model's own layers, or a block's.</summary>
    private sealed class Part
    {
        private readonly ClassSpec _spec;
        private readonly EquatableArray<FlatBody> _bodies;
        private readonly List<FlatLayer> _layers;

        public Part(ClassSpec spec)
        {
            _spec = spec;
            _bodies = Flattening.Bodies(spec);
            _layers = Flattening.Layers(spec).ToList();
        }

        public bool HasAttention => _layers.Any(l => l.Spec is AttentionSpec);

        public IEnumerable<LinearFacts> Linears
        {
            get
            {
                var partition = Partition.Of(_bodies, _spec.Kind);
                return from layer in _layers
                       let linear = layer.Spec as LinearSpec
                       where linear is not null
                       select new LinearFacts(
                           Path(layer.Path), WeightNames.Name(_spec, linear), linear.Bias, partition.Of(layer.Path).Kind == SplitKind.Row,
                           linear is { TiedTo: not null, TiedWhen: null });
            }
        }

        public IEnumerable<string> PairTargets => _bodies.SelectMany(b => ScalePairs.Of(b)).SelectMany(p => p.Targets).Select(Path);

        public IEnumerable<NormFacts> Norms
        {
            get
            {
                var groups = _bodies.Select(b => NormGroups.Of(b, _spec.Kind)).ToList();
                return groups.SelectMany(g => g).Select(g => g.Norm).Distinct().SelectMany(norm => Variants(norm, groups)).Distinct();
            }
        }

        public IEnumerable<InputFacts> Inputs(PresetSpec preset) =>
            from layer in _layers
            let linear = layer.Spec as LinearSpec
            where linear is not null && !IsAbsent(preset, linear)
            let width = Number(preset, linear.Input)
            where width is not null
            select new InputFacts(Path(layer.Path), width.Value);

        private bool IsAbsent(PresetSpec preset, LinearSpec linear) => linear.When is { } when && preset.Value(Words(when)) == 0;

        private string Path(string path) => $"{_spec.Name}.{path}";

        /// <summary>A norm as it stands in each wiring that the config can select; once, where it stands alike in all.</summary>
        private IEnumerable<NormFacts> Variants(string norm, List<EquatableArray<NormGroup>> groups)
        {
            var found = groups.SelectMany((g, i) => g.Where(n => n.Norm == norm).Select(n => (When: Selection(i), Group: n)))
                .Where(f => f.Group.Linears.Count > 0) // nothing is to move where it stands before no linear
                .ToList();
            // In every wiring it is a shortcut, be it another one each time: then no config helps.
            var always = found.All(f => f.Group.Conflicts.Any(c => c is { When: null, IsShortcut: true }));
            var isAlike = found.Count == groups.Count && found.Select(f => (f.Group.Linears, f.Group.Conflicts)).Distinct().Count() == 1;
            return found.Select(f => new NormFacts(
                Path(norm),
                f.Group.HasBias,
                f.Group.Linears.Select(l => Path(l.Path)).ToContentList(),
                f.Group.Conflicts.OrderBy(c => !c.IsShortcut)
                    .Select(c => Fact(c, isAlike || (always && c is { When: null, IsShortcut: true }) ? c.When : Uses.And(f.When, c.When)))
                    .ToContentList()));
        }

        private ConflictFacts Fact(NormConflict conflict, string? when) =>
            new(NormGroups.Reason(conflict), when is null ? null : Words(when), conflict.IsShortcut);

        /// <summary>The switches under which a wiring is taken; null for the only one.</summary>
        private string? Selection(int index)
        {
            if (_bodies.Count == 1) return null;
            if (_bodies[index].Conditions.Count > 0) return string.Join(" && ", _bodies[index].Conditions);
            return string.Join(" && ", _bodies.Where(b => b.Conditions.Count == 1).Select(b => Uses.Not(b.Conditions[0])));
        }

        /// <summary>A condition without the name that the class happens to give its config.</summary>
        private string Words(string condition) =>
            _spec.ConfigParameter.Length == 0 ? condition : Regex.Replace(condition, $@"\b{Regex.Escape(_spec.ConfigParameter)}\.", "");
    }
}
