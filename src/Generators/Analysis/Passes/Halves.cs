using Generated.Generators.Graph;

namespace Generated.Generators.Analysis.Passes;

/// <summary>
/// A model's full pass cut at its blocks, so that whoever runs it can hold one block in memory at a time. It can be cut where
/// the blocks are the only way from the ids to the result.
/// </summary>
/// <param name="Enter">From the ids to the first block's input; null where the pass cannot be cut.</param>
/// <param name="Leave">From the last block's output to the result; null where the pass cannot be cut.</param>
/// <param name="Reason">Why it cannot be cut; empty where it can.</param>
internal sealed record Halves(PassPlan? Enter, PassPlan? Leave, string Reason)
{
    public static Halves Of(PassPlan full)
    {
        var repeats = full.Steps.Where(s => s.Kind == StepKind.Repeat).ToList();
        if (repeats.Count == 0) return Not("it has no repeated blocks");
        if (repeats.Count > 1) return Not($"it repeats blocks in {repeats.Count} places: {string.Join(", ", repeats.Select(r => $"'{r.Layer!.Member}'"))}");
        var (before, behind) = (full.Steps.TakeWhile(s => s != repeats[0]).ToList(), full.Steps.SkipWhile(s => s != repeats[0]).Skip(1).ToList());
        var (first, last) = (repeats[0].Inputs[0], repeats[0].Results[0]);
        var known = new HashSet<string>(behind.SelectMany(s => s.Results).Append(last), StringComparer.Ordinal);
        if (behind.SelectMany(s => s.Inputs).FirstOrDefault(name => !known.Contains(name)) is { } crossing)
            return Not($"'{crossing}' is read behind '{repeats[0].Layer!.Member}' too");
        return new Halves(
            full with { Steps = Liveness.WithDisposals(before, full.Input, first), Result = first },
            full with { Input = last, Steps = Liveness.WithDisposals(behind, last, full.Result) }, "");
    }

    private static Halves Not(string reason) => new(null, null, reason);
}
