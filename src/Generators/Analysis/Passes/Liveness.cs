using Generated.Generators.Graph;

namespace Generated.Generators.Analysis.Passes;

/// <summary>
/// Says after which statement each value can be disposed of. Every value is a handle of its own (sections are views with
/// their own handles, an absent layer gives an alias), so a handle's last use is all that counts.
/// </summary>
internal static class Liveness
{
    public static EquatableArray<Step> WithDisposals(IReadOnlyList<Step> steps, string input, string result)
    {
        var last = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < steps.Count; i++)
        {
            foreach (var name in steps[i].Results) last[name] = i;
            foreach (var name in steps[i].Inputs) last[name] = i;
        }

        last.Remove(input); // the caller's
        last.Remove(result); // the caller's
        var ends = last.ToLookup(l => l.Value, l => l.Key);
        return steps.Select((step, i) =>
        {
            var consumed = step.Kind == StepKind.Repeat && ends[i].Contains(step.Inputs[0]);
            return step with
            {
                Consumes = consumed,
                Disposes = ends[i].Where(n => !consumed || n != step.Inputs[0]).OrderBy(n => Order(step, n)).ToEquatableArray(),
            };
        }).ToEquatableArray();
    }

    private static int Order(Step step, string name)
    {
        for (var i = 0; i < step.Inputs.Count; i++)
            if (step.Inputs[i] == name) return i;
        return step.Inputs.Count;
    }
}
