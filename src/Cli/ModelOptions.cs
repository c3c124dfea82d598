using System.CommandLine;
using Generated.Loading;
using Generated.Native;
using Generated.Parallel;
using TorchSharp;

namespace Generated.Cli;

/// <summary>The options of every command that runs a model: device, type, number of ranks.</summary>
internal sealed class ModelOptions
{
    private readonly Option<string> _device = new("--device") { Description = "cpu, cuda or cuda:N.", DefaultValueFactory = _ => "cpu", HelpName = "device" };
    private readonly Option<string?> _dtype = new("--dtype") { Description = "float32, bfloat16 or float16.", HelpName = "type" };
    private readonly Option<int> _ranks = new("--tp") { Description = "Tensor-parallel ranks, started with mpirun.", DefaultValueFactory = _ => 1, HelpName = "n" };
    private readonly Option<string?> _variant = new("--variant") { Description = "Another reading of the same files, by name (inv_freq_fp32, gelu_tanh, …).", HelpName = "name" };
    private readonly torch.ScalarType? _usual;

    /// <param name="usual">Type if none is asked for; null means the checkpoint's.</param>
    public ModelOptions(torch.ScalarType? usual = null)
    {
        _usual = usual;
        _dtype.Description += usual is { } type ? $" Default: {DTypeNames.Name(type)}." : " Default: the checkpoint's.";
        Json = new Option<bool>("--json") { Description = "Writes JSON." };
    }

    /// <summary>Machine-readable output.</summary>
    public Option<bool> Json { get; }

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command, bool ranks = true)
    {
        command.Add(_device);
        command.Add(_dtype);
        command.Add(_variant);
        if (ranks)
            command.Add(_ranks);
        command.Add(Json);
    }

    /// <summary>The type asked for, or the usual one.</summary>
    public torch.ScalarType? Dtype(ParseResult parse) => parse.GetValue(_dtype) is { } name ? DTypeNames.Parse(name) : _usual;

    /// <summary>The device asked for.</summary>
    public torch.Device Device(ParseResult parse) => Devices.Parse(parse.GetRequiredValue(_device));

    /// <summary>Loads a checkpoint under a progress bar, in a type of the caller's or the one asked for.</summary>
    public LoadedModel Load(
        ParseResult parse, Terminal terminal, string directory, ICollective? group = null, bool trainable = false, torch.ScalarType? dtype = null, CancellationToken cancellation = default)
    {
        var device = Device(parse);
        return terminal.WithProgress($"Loading {Path.GetFileName(Path.TrimEndingDirectorySeparator(directory))}", progress => ModelLoader.Load(directory, new LoadOptions
        {
            Dtype = dtype ?? Dtype(parse),
            Variant = parse.GetValue(_variant),
            Device = device,
            TensorParallel = group,
            Trainable = trainable,
            Progress = progress,
        }, cancellation));
    }

    /// <summary>
    /// Runs work on as many ranks as asked for: here alone, or by starting this command line again under mpirun. Only the first rank writes.
    /// All ranks' work has to come to the same exit code; what only one rank meets is an exception, and ends the job.
    /// </summary>
    public int OnRanks(ParseResult parse, Terminal terminal, Func<ICollective?, Terminal, int> work)
    {
        var count = parse.AtLeast(_ranks, 1);
        if (count == 1)
            return work(null, terminal);
        if (Launch.Ranks(count, [.. parse.Tokens.Select(token => token.Value)], terminal.Fail) is { } jobCode)
            return jobCode;
        var code = CommandLine.Success;
        var runCode = Launch.Run(parse.GetRequiredValue(_device), group =>
        {
            var own = work(group, group.Rank == 0 ? terminal : Terminal.Silent);
            // A launcher ends the job at the first rank that ends with an error: the one that has written tells it.
            code = group.AllGatherBytes([(byte)own]).Max(bytes => bytes[0]);
            return CommandLine.Success;
        });
        return runCode != CommandLine.Success ? runCode : RankEnvironment.Current.Rank == 0 ? code : CommandLine.Success;
    }
}
