using System.CommandLine;
using Generated.Cli.Inspection;

namespace Generated.Cli.Commands;

/// <summary><c>generated inspect</c>: what is known of a model without loading its weights.</summary>
internal static class InspectCommand
{
    public static Command Create(Terminal terminal)
    {
        var target = new Argument<string>("model") { Description = "Checkpoint folder, config.json, or the name of a preset such as llama-2-7b." };
        var ranks = new Option<int>("--tp") { Description = "Shows how a tensor-parallel group of n ranks divides the weights.", DefaultValueFactory = _ => 1, HelpName = "n" };
        var json = new Option<bool>("--json") { Description = "Writes JSON." };
        var command = new Command("inspect", "Shows sizes and derived structure of a model, without loading weights.") { target, ranks, json };
        command.SetAction(parse =>
        {
            var count = parse.AtLeast(ranks, 1);
            var facts = ModelFacts.Of(parse.GetRequiredValue(target));
            if (parse.GetValue(json))
            {
                terminal.WriteJson(writer => FactsJson.Write(writer, facts, count));
                return CommandLine.Success;
            }

            var parts = count > 1 ? RankShapes.Of(facts.Architecture, facts.Config, count) : default; // First of all: a degree can be refused.
            FactsTables.WriteSummary(terminal, facts);
            FactsTables.WriteStructure(terminal, facts.Structure);
            if (count > 1)
                FactsTables.WriteSplits(terminal, parts.Parts, parts.RankParameters, count);
            return CommandLine.Success;
        });
        return Help.WithExamples(command, "inspect llama-2-70b --tp 8", "inspect ./llama", "inspect ./config.json --json");
    }
}
