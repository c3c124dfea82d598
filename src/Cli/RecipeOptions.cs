using System.CommandLine;
using Generated.Native;
using Generated.Quant.Calibration;
using Generated.Quant.Recipes;
using Generated.Quant.Recipes.Files;
using TorchSharp;

namespace Generated.Cli;

/// <summary>The options of every command that carries a recipe out: the recipe, which rows of a file it is calibrated on, where.</summary>
internal sealed class RecipeOptions
{
    private readonly Option<string> _recipe = new("--recipe") { Description = $"{string.Join(", ", NamedRecipes.Names)}, or a JSON file.", Required = true, HelpName = "name|file" };
    private readonly Option<int?> _groupSize = new("--group-size") { Description = $"Inputs that share a scale in 4 bits. Default: {NamedRecipes.DefaultGroupSize}.", HelpName = "n" };
    private readonly Option<double> _from = new("--from") { Description = "Share of its rows to pass over.", DefaultValueFactory = _ => 0, HelpName = "share" };
    private readonly Option<double> _to = new("--to") { DefaultValueFactory = _ => 0.2, HelpName = "share" };
    private readonly Option<int> _window = new("--window") { Description = "Most tokens of a row.", DefaultValueFactory = _ => 512, HelpName = "n" };
    private readonly Option<int> _rows = new("--max-rows") { HelpName = "n" };
    private readonly Option<string> _device = new("--device") { Description = "cpu, cuda or cuda:N.", DefaultValueFactory = _ => "cpu", HelpName = "device" };

    /// <param name="to">What is done with the rows behind <c>--to</c>, in a sentence.</param>
    /// <param name="rows">What <c>--max-rows</c> limits, in a sentence.</param>
    /// <param name="usualRows">Its default.</param>
    public RecipeOptions(string to, string rows, int usualRows)
    {
        (_to.Description, _rows.Description) = (to, rows);
        _rows.DefaultValueFactory = _ => usualRows;
    }

    /// <summary>Machine-readable output.</summary>
    public Option<bool> Json { get; } = new("--json") { Description = "Writes JSON." };

    /// <summary>Adds the options to a command, in the order of its help: the recipe, the command's file, its rows, the command's own, the rest.</summary>
    /// <param name="command">The command.</param>
    /// <param name="file">The option that names the calibration file.</param>
    /// <param name="own">What the command has beside them.</param>
    public void AddTo(Command command, Option file, params ReadOnlySpan<Option> own)
    {
        foreach (var option in (ReadOnlySpan<Option>)[_recipe, file, _from, _to, _window, _rows, .. own, _groupSize, _device, Json])
            command.Add(option);
    }

    /// <summary>The recipe asked for: by name, or from a file (whatever looks like a path or is one).</summary>
    /// <exception cref="InvalidInputException">There is none of that name, or the file is no recipe.</exception>
    public QuantRecipe Recipe(ParseResult parse, Terminal terminal)
    {
        var (named, groupSize) = (parse.GetRequiredValue(_recipe), parse.GetValue(_groupSize));
        if (!named.EndsWith(".json", StringComparison.OrdinalIgnoreCase) && !File.Exists(named))
            return NamedRecipes.Get(named, groupSize ?? NamedRecipes.DefaultGroupSize);
        if (groupSize is not null)
            throw new InvalidInputException($"--group-size is for recipes by name; say it in {named} instead.");
        return RecipeFile.Load(named, note => terminal.Error.WriteLine("note: " + note));
    }

    /// <summary>The rows asked for.</summary>
    public CalibrationOptions Calibration(ParseResult parse) => new()
    {
        From = parse.GetValue(_from),
        To = parse.GetValue(_to),
        Window = parse.GetValue(_window),
        MaxRows = parse.GetValue(_rows),
    };

    /// <summary>The device asked for.</summary>
    public torch.Device Device(ParseResult parse) => Devices.Parse(parse.GetRequiredValue(_device));
}
