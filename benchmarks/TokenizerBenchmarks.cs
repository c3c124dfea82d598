using System.Diagnostics;
using System.Text.RegularExpressions;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Generated.Tokenization;
using Microsoft.ML.Tokenizers;
using Tokenizer = Microsoft.ML.Tokenizers.Tokenizer;

namespace Generated.Benchmarks;

/// <summary>
/// Encoding a whole file, beside Microsoft.ML.Tokenizers on the same text in the same run: <c>tokenizers [FOLDER]</c>, where the
/// folder (default: GENERATED_SHARED, else ../shared) has data/tokenizers and data/text.
/// </summary>
[MemoryDiagnoser(displayGenColumns: false)]
public class TokenizerBenchmarks
{
    private const string Gpt2Words = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    private const string QwenWords = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private ITokenizer _tokenizer = null!;
    private Tokenizer? _library;
    private string _text = "";

    private static string Shared { get; set; } = Environment.GetEnvironmentVariable("GENERATED_SHARED") ?? Path.Combine("..", "shared");

    /// <summary>Folder of the tokenizer.</summary>
    [Params("llama", "gpt2", "qwen", "baichuan")]
    public string Family { get; set; } = "";

    /// <summary>The text.</summary>
    [Params("en_wikipedia.txt", "zh_xiyouji_ch1-30.txt")]
    public string File { get; set; } = "";

    /// <summary>Runs the benchmark and prints MB/s of UTF-8 beside the library's.</summary>
    public static int Run(string[] args)
    {
        if (args.Length > 0)
            Shared = args[0];
        if (!Directory.Exists(Path.Combine(Shared, "data", "tokenizers")))
        {
            Console.Error.WriteLine($"{Path.GetFullPath(Shared)} has no data/tokenizers; name the folder that has.");
            return 2;
        }
        // In this process: the benchmark reads its data relative to where it was started, and nothing is built for it.
        var config = ManualConfig.CreateMinimumViable().WithOptions(ConfigOptions.DisableOptimizationsValidator)
            .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance)).AddDiagnoser(BenchmarkDotNet.Diagnosers.MemoryDiagnoser.Default);
        var summary = BenchmarkRunner.Run<TokenizerBenchmarks>(config);
        Console.WriteLine($"{"tokenizer",-10} {"text",-24} {"Generated",12} {"the library",12} {"ratio",7}");
        foreach (var pair in summary.Reports.Where(r => r.ResultStatistics is not null).GroupBy(r => (Family: r.BenchmarkCase.Parameters["Family"], File: r.BenchmarkCase.Parameters["File"])))
        {
            double megabytes = new FileInfo(Path.Combine(Shared, "data", "text", (string)pair.Key.File)).Length / 1e6;
            double Rate(string method) => megabytes / (pair.Single(r => r.BenchmarkCase.Descriptor.WorkloadMethod.Name == method).ResultStatistics!.Median / 1e9);
            double ours = Rate(nameof(EncodeHere)), theirs = Rate(nameof(EncodeInLibrary));
            Console.WriteLine($"{pair.Key.Family,-10} {pair.Key.File,-24} {ours,7:F1} MB/s {theirs,7:F1} MB/s {ours / theirs,6:F1}x");
        }
        foreach (string family in new[] { "llama", "gpt2", "qwen", "chatglm6b" })
            MeasureOnce(family);
        return 0;
    }

    /// <summary>What happens once or seldom: loading, and a text without any boundary.</summary>
    private static void MeasureOnce(string family)
    {
        var random = new Random(1);
        string word = string.Create(300_000, random, (letters, source) =>
        {
            foreach (ref char letter in letters)
                letter = (char)('a' + source.Next(26));
        });
        var watch = Stopwatch.StartNew();
        var tokenizer = TokenizerLoader.Load(Path.Combine(Shared, "data", "tokenizers", family));
        double loading = watch.Elapsed.TotalSeconds;
        watch.Restart();
        int count = tokenizer.Encode(word).Count;
        Console.WriteLine($"{family,-10} loaded in {loading:F2} s; a word of {word.Length:N0} random letters ({count:N0} tokens) in {watch.Elapsed.TotalSeconds:F2} s");
    }

    /// <summary>Loads both tokenizers and the text.</summary>
    [GlobalSetup]
    public void Setup()
    {
        string folder = Path.Combine(Shared, "data", "tokenizers", Family);
        _text = System.IO.File.ReadAllText(Path.Combine(Shared, "data", "text", File));
        _tokenizer = TokenizerLoader.Load(folder);
        _library = CreateLibrary(folder);
    }

    /// <summary>This project.</summary>
    [Benchmark]
    public int EncodeHere() => _tokenizer.Encode(_text).Count;

    /// <summary>Microsoft.ML.Tokenizers (its ids differ for sentencepiece models).</summary>
    [Benchmark(Baseline = true)]
    public int EncodeInLibrary() => _library!.EncodeToIds(_text).Count;

    private Tokenizer CreateLibrary(string folder)
    {
        var words = new RegexPreTokenizer(new Regex(Family == "qwen" ? QwenWords : Gpt2Words, RegexOptions.Compiled), null);
        switch (Family)
        {
            case "gpt2":
                return BpeTokenizer.Create(new BpeOptions(Path.Combine(folder, "vocab.json"), Path.Combine(folder, "merges.txt")) { ByteLevel = true, PreTokenizer = words });
            case "qwen":
                return TiktokenTokenizer.Create(Path.Combine(folder, "qwen.tiktoken"), words, null, null);
            default:
                using (var model = System.IO.File.OpenRead(Path.Combine(folder, "tokenizer.model")))
                    return SentencePieceTokenizer.Create(model, addBeginningOfSentence: false, addEndOfSentence: false);
        }
    }
}
