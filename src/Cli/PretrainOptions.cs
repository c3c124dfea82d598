using System.CommandLine;
using Generated.Training;
using TorchSharp;

namespace Generated.Cli;

/// <summary>The options of <c>generated pretrain</c>.</summary>
internal sealed class PretrainOptions
{
    private readonly Option<string> _tokenizer = new("--tokenizer") { Description = "Folder with the tokenizer; its files go into the checkpoint.", Required = true, HelpName = "dir" };
    private readonly Option<string[]> _texts = new("--text") { Description = "UTF-8 text to train on; may be repeated.", Required = true, HelpName = "file" };
    private readonly Option<long> _steps = new("--steps") { Description = "Optimizer steps.", DefaultValueFactory = _ => 1000, HelpName = "n" };
    private readonly Option<int> _batch = new("--batch") { Description = "Windows per batch.", DefaultValueFactory = _ => 16, HelpName = "n" };
    private readonly Option<int> _accumulation = new("--accumulate") { Description = "Batches per step.", DefaultValueFactory = _ => 1, HelpName = "n" };
    private readonly Option<int> _window = new("--window") { Description = "Tokens of a window, BOS included.", DefaultValueFactory = _ => 256, HelpName = "n" };
    private readonly Option<double> _rate = new("--learning-rate") { Description = "Highest learning rate.", DefaultValueFactory = _ => 1e-3, HelpName = "x" };
    private readonly Option<double> _floor = new("--learning-rate-floor") { Description = "Lowest learning rate, at the end.", DefaultValueFactory = _ => 1e-4, HelpName = "x" };
    private readonly Option<long?> _warmup = new("--warmup") { Description = "Steps in which the learning rate rises. Default: a twentieth.", HelpName = "n" };
    private readonly Option<double> _clip = new("--clip-norm") { Description = "Largest norm of all gradients together.", DefaultValueFactory = _ => 1, HelpName = "x" };
    private readonly Option<double> _decay = new("--weight-decay") { Description = "Decay of matrices; vectors do not decay.", DefaultValueFactory = _ => 0.1, HelpName = "x" };
    private readonly Option<double> _beta2 = new("--beta2") { Description = "Adam's second decay.", DefaultValueFactory = _ => 0.95, HelpName = "x" };
    private readonly Option<ulong> _seed = new("--seed") { Description = "Start of the random numbers for weights and data order.", DefaultValueFactory = _ => 0, HelpName = "n" };
    private readonly Option<long> _logEvery = new("--log-every") { Description = "Steps between lines; 0 for the last one only.", DefaultValueFactory = _ => 10, HelpName = "n" };
    private readonly Option<long> _saveEvery = new("--save-every") { Description = "Steps between checkpoints; 0 for the last one only.", DefaultValueFactory = _ => 500, HelpName = "n" };
    private readonly Option<bool> _resume = new("--resume") { Description = "Continues the run in the folder." };

    /// <summary>Device and type.</summary>
    public ModelOptions Model { get; } = new(torch.ScalarType.Float32);

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _tokenizer, _texts, _steps, _batch, _accumulation, _window, _rate, _floor, _warmup, _clip, _decay, _beta2, _seed, _logEvery, _saveEvery, _resume })
            command.Add(option);
        Model.AddTo(command, ranks: false);
    }

    public string TokenizerFolder(ParseResult parse) => parse.GetRequiredValue(_tokenizer);

    public string[] Texts(ParseResult parse) => parse.GetRequiredValue(_texts);

    public ulong Seed(ParseResult parse) => parse.GetValue(_seed);

    public bool IsResumed(ParseResult parse) => parse.GetValue(_resume);

    public bool IsJson(ParseResult parse) => parse.GetValue(Model.Json);

    /// <summary>Steps between lines and between checkpoints.</summary>
    public (long Log, long Save) Every(ParseResult parse)
    {
        return (Steps(_logEvery), Steps(_saveEvery));

        long Steps(Option<long> option) => parse.AtLeast(option, 0) is var steps and > 0 ? steps : long.MaxValue;
    }

    public TokenBatches Data(ParseResult parse, IReadOnlyList<int> tokens, int? bos) =>
        new(tokens, parse.GetValue(_window), parse.GetValue(_batch), parse.GetValue(_seed), bos);

    /// <exception cref="InvalidInputException">A value is out of its range.</exception>
    public TrainingOptions Training(ParseResult parse)
    {
        var steps = parse.GetValue(_steps);
        var options = new TrainingOptions
        {
            Steps = steps,
            Accumulation = parse.GetValue(_accumulation),
            LearningRate = parse.GetValue(_rate),
            LearningRateFloor = parse.GetValue(_floor),
            WarmupSteps = parse.GetValue(_warmup) ?? steps / 20,
            ClipNorm = parse.GetValue(_clip),
            Optimizer = new AdamWOptions { Beta2 = parse.GetValue(_beta2), WeightDecay = parse.GetValue(_decay), DecayVectors = false },
        };
        options.Check();
        return options;
    }
}
