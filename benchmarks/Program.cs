using Generated.Benchmarks;

var verbs = new SortedDictionary<string, (string Does, Func<string[], int> Run)>(StringComparer.Ordinal)
{
    ["checkpoints"] = ("loading and converting checkpoints beside reading and copying their file", CheckpointBench.Run),
    ["decoder"] = ("generated LLaMA passes beside a LLaMA written by hand on TorchSharp", DecoderBench.Run),
    ["generator"] = ("the compiler of declarations: its first run, and each kind of edit", GeneratorBench.Run),
    ["kernels"] = ("one linear layer: kernels beside libtorch's linears and the memory's read bandwidth", KernelBench.Run),
    ["linears"] = ("all linears of one decoding step, in every weight format beside libtorch's float32", DecodeLinearsBench.Run),
    ["random"] = ("nothing: writes a checkpoint of random weights that quantization is measured on", RandomCheckpoint.Run),
    ["tokenizers"] = ("encoding whole files, beside Microsoft.ML.Tokenizers", TokenizerBenchmarks.Run),
};

if (args.Length > 0 && verbs.TryGetValue(args[0], out var verb))
    return verb.Run(args[1..]);
Console.Error.WriteLine("Name what to measure:");
foreach (var (name, (does, _)) in verbs)
    Console.Error.WriteLine($"  {name,-12} {does}");
return 2;
