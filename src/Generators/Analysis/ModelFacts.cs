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
                return groups.SelectMany(g => g).Select(g => g.Norm).Distinct().Select(norm => Merged(norm, groups));
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

        /// <summary>What is known of a norm over all wirings that the config can select.</summary>
        private NormFacts Merged(string norm, List<EquatableArray<NormGroup>> groups)
        {
            var found = new List<(string? When, NormGroup Group)>();
            for (var i = 0; i < groups.Count; i++)
                found.AddRange(groups[i].Where(g => g.Norm == norm).Select(g => (Selection(i), g)));
            var hasBias = found[0].Group.HasBias;
            found.RemoveAll(f => f.Group.Linears.Count == 0); // nothing is to move where it stands before no linear
            var conflicts = found.SelectMany(f => f.Group.Conflicts, (f, c) => (Wiring: f.When, Conflict: c)).ToList();
            // In every wiring something stands against it, be it another thing each time: then no config helps.
            var always = found.All(f => f.Group.Conflicts.Any(c => c is { When: null, IsShortcut: true }));
            var facts = conflicts.OrderBy(c => !c.Conflict.IsShortcut)
                .Select(c => Fact(c.Conflict, always && c.Conflict is { When: null, IsShortcut: true } ? null : Uses.And(c.Wiring, c.Conflict.When)));
            return new NormFacts(
                Path(norm), hasBias, found.SelectMany(f => f.Group.Linears).Select(l => Path(l.Path)).Distinct().ToContentList(),
                facts.Distinct().ToContentList());
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
