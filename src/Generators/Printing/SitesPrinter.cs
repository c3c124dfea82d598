using Generated.Generators.Analysis;
using Generated.Generators.Graph;

namespace Generated.Generators.Printing;

/// <summary>Prints the linears as typed sites: where adapters and quantized layers take their place.</summary>
internal static class SitesPrinter
{
    public static void Print(SourceWriter writer, ClassPlan plan)
    {
        var (name, site) = (plan.Spec.Name, Names.Architectures("LinearSite"));
        writer.Line($"/// <summary>The linears of a <see cref=\"{name}\"/>: where adapters and quantized layers go.</summary>");
        using (writer.Block("public static class AdapterSites"))
        {
            foreach (var linear in plan.Linears)
            {
                var access = $"(({name})owner).{linear.Access}";
                writer.Line($"/// <summary>{Quoting.Xml(linear.Path)}: {Quoting.Xml(linear.Name)}, {linear.Spec.Input.Member} to {linear.Spec.Output.Member}.</summary>")
                    .Line($"public static {site} {Member(linear)} {{ get; }} =")
                    .Line($"    new({Quoting.Literal($"{name}.{linear.Path}")}, static owner => {Read(access)}, static (owner, linear) => {access} = linear);").Blank();
            }

            writer.Line("/// <summary>All of them, in declaration order.</summary>")
                .Line($"public static {Names.List}<{site}> {EmittedNames.AllSites} {{ get; }} = [{string.Join(", ", plan.Linears.Select(Member))}];");
        }

        Paths(writer, plan);
        writer.Blank().Line("/// <inheritdoc/>").Line($"public override {Names.List}<{site}> LinearSites => AdapterSites.All;").Blank();
    }

    /// <summary>The paths as constants, for recipes and adapters that name linears in attributes.</summary>
    private static void Paths(SourceWriter writer, ClassPlan plan)
    {
        writer.Blank().Line($"/// <summary>The declared paths of a <see cref=\"{plan.Spec.Name}\"/>'s linears.</summary>");
        using (writer.Block("public static class Paths"))
            foreach (var linear in plan.Linears)
                writer.Line($"/// <summary>{Quoting.Xml(linear.Path)}.</summary>")
                    .Line($"public const string {Member(linear)} = {Quoting.Literal($"{plan.Spec.Name}.{linear.Path}")};").Blank();
    }

    /// <summary>A layer in a part that the config left out reads as null.</summary>
    private static string Read(string access) => access.Replace("!.", "?.");

    private static string Member(LinearPlan linear) => LayerNameChecks.SiteName(linear.Path);
}
