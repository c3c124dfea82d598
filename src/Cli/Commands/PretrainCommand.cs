using System.CommandLine;
using System.Diagnostics;
using Generated.Architectures;
using Generated.Cli.Inspection;
using Generated.Layers;
using Generated.Loading;
using Generated.Tokenization;
using Generated.Training;
using TorchSharp;

namespace Generated.Cli.Commands;

/// <summary><c>generated pretrain</c>: trains a model from nothing on text, on one device.</summary>
internal static class PretrainCommand
{
    public static Command Create(Terminal terminal)
    {
        var config = new Argument<string>("config") { Description = "config.json of the model, or a preset's name." };
        var output = new Argument<string>("out") { Description = "Folder that gets the checkpoint, the optimizer's state and the place in the data." };
        var options = new PretrainOptions();
        var command = new Command("pretrain", "Trains a model from nothing on text.") { config, output };
        options.AddTo(command);
        command.SetAction((parse, cancellation) => OffThread.Run(() =>
        {
            Run(terminal, parse, options, parse.GetRequiredValue(config), parse.GetRequiredValue(output), cancellation);
            return CommandLine.Success;
        }));
        return Help.WithExamples(command,
            "pretrain config.json ./out --tokenizer ./tokenizer --text stories.txt --steps 2000 --batch 32 --window 256",
            "pretrain config.json ./out --tokenizer ./tokenizer --text stories.txt --steps 2000 --batch 32 --window 256 --resume");
    }

    private static void Run(Terminal terminal, ParseResult parse, PretrainOptions options, string config, string output, CancellationToken cancellation)
    {
        var resume = options.IsResumed(parse);
        if (!resume && Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any())
            throw new InvalidInputException($"{output} exists and is not empty; continue it with --resume, or name another folder.");
        if (resume && !TrainingCheckpoint.Exists(output))
            throw new InvalidInputException($"{output} holds no training run to resume.");
        var training = options.Training(parse);
        var (logEvery, saveEvery) = options.Every(parse);
        var tokenizerFolder = options.TokenizerFolder(parse);
        var tokenizer = TokenizerLoader.Load(tokenizerFolder);
        var tokens = terminal.WithProgress("Tokenizing", progress => Tokenize(tokenizer, options.Texts(parse), progress));
        using var model = CreateModel(parse, options, config, resume ? output : null, out var architecture);
        TokenizerLoader.RequireFits(tokenizer, VocabularyOf(model), tokenizerFolder);
        using var trainer = new Trainer(model, options.Data(parse, tokens, tokenizer.BosId), training);
        if (resume)
            TrainingCheckpoint.Resume(output, trainer);
        Train(terminal, parse, options, trainer, () => TrainingCheckpoint.Save(output, trainer, model, architecture, Source(config), tokenizerFolder), training.Steps, logEvery, saveEvery, cancellation);
    }

    private static void Train(
        Terminal terminal, ParseResult parse, PretrainOptions options, Trainer trainer, Action save, long steps, long logEvery, long saveEvery, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        long tokens = 0, made = 0;
        while (!trainer.IsFinished)
        {
            if (cancellation.IsCancellationRequested)
            {
                save();
                throw new OperationCanceledException(cancellation);
            }

            var step = trainer.Step();
            tokens += step.Tokens;
            made++;
            if (step.Step % logEvery == 0 || trainer.IsFinished)
                Log(terminal, options.IsJson(parse), step, steps, tokens / clock.Elapsed.TotalSeconds, clock.Elapsed / made * (steps - step.Step));
            if (step.Step % saveEvery == 0 || trainer.IsFinished)
                save();
        }
    }

    private static void Log(Terminal terminal, bool json, TrainingStep step, long steps, double tokensPerSecond, TimeSpan left)
    {
        if (json)
        {
            terminal.WriteJson(writer =>
            {
                writer.WriteNumber("step", step.Step);
                writer.WriteNumber("loss", step.Loss);
                writer.WriteNumber("gradient_norm", step.GradientNorm);
                writer.WriteNumber("learning_rate", step.LearningRate);
                writer.WriteNumber("tokens_per_second", Math.Round(tokensPerSecond, 1));
            });
        }
        else
        {
            terminal.Output.WriteLine(FormattableString.Invariant(
                $"step {step.Step} of {steps}: loss {step.Loss:0.0000}, gradient norm {step.GradientNorm:0.000}, learning rate {step.LearningRate:0.00e+0}, {tokensPerSecond:0} tokens/s, {(int)left.TotalHours:00}:{left:mm\\:ss} left"));
        }

        terminal.Output.Flush();
    }

    private static CausalModel CreateModel(ParseResult parse, PretrainOptions options, string config, string? resumed, out ArchitectureInfo architecture)
    {
        if (resumed is not null)
        {
            var loaded = ModelLoader.Load(resumed, new LoadOptions { Dtype = options.Model.Dtype(parse), Device = options.Model.Device(parse), Trainable = true });
            architecture = loaded.Architecture;
            return loaded.Model;
        }

        (architecture, var typed, _) = ModelTarget.Find(config);
        var model = architecture.Create(typed, new BuildOptions
        {
            Dtype = options.Model.Dtype(parse) ?? torch.ScalarType.Float32,
            Device = options.Model.Device(parse),
            Trainable = true,
        });
        WeightInitializer.Initialize(model, options.Seed(parse));
        return model;
    }

    /// <summary>A config file whose unknown keys (special token ids and the like) the checkpoint keeps.</summary>
    private static string? Source(string config) => Path.Exists(config) ? config : null;

    private static int VocabularyOf(CausalModel model) => model.Weights().Select(slot => slot.Layer).OfType<Embedding>().First().Count;

    internal static List<int> Tokenize(ITokenizer tokenizer, IReadOnlyList<string> files, IProgress<double> progress)
    {
        var tokens = new List<int>();
        var (total, done) = (files.Sum(Length), 0L);
        foreach (var file in files)
        {
            tokens.AddRange(tokenizer.Encode(TextFiles.Read(file)));
            done += Length(file);
            progress.Report((double)done / Math.Max(1, total));
        }

        return tokens;

        // A missing file is refused when it is read.
        static long Length(string file) => File.Exists(file) ? new FileInfo(file).Length : 0;
    }
}
