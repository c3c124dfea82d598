using System.Globalization;
using System.Text.Json;
using Generated.Architectures;
using Generated.Layers;
using Generated.Loading;
using Generated.Loading.Converting;
using Generated.Models;
using Generated.Training;
using TorchSharp;

namespace Generated.Benchmarks;

/// <summary>
/// Writes what the figures on memory and time of quantization are taken on: a checkpoint of a shape with random bfloat16 weights, and rows of
/// random token ids beside it, <c>FOLDER.ids.jsonl</c>: <c>random llama|bloom FOLDER [--in 4096] [--ffn 11008] [--layers 1] [--vocab 1000]
/// [--rows 8] [--length 128]</c>. Heads are 128 wide; BLOOM's MLP is four times as wide as the model.
/// </summary>
internal static class RandomCheckpoint
{
    private const int HeadWidth = 128;

    public static int Run(string[] args)
    {
        if (args.Length < 2 || args[0] is not ("llama" or "bloom"))
            throw new InvalidInputException("Give an architecture (llama or bloom) and a folder: random llama ./block --layers 1 --vocab 1000");
        var options = BenchOptions.Parse(args[2..], new BenchOptions { In = 4096, Ffn = 11008, Layers = 1, Vocab = 1000, Rows = 8 });
        var build = new BuildOptions { Dtype = torch.ScalarType.BFloat16 };
        var heads = Math.Max(1, options.In / HeadWidth);
        var (architecture, model) = args[0] == "llama"
            ? (Llama.Architecture, (CausalModel)Llama.Create(new LlamaConfig { Vocab = options.Vocab, Hidden = options.In, Ffn = options.Ffn, Layers = options.Layers, Heads = heads }, build))
            : (Bloom.Architecture, Bloom.Create(new BloomConfig { Vocab = options.Vocab, Hidden = options.In, Layers = options.Layers, Heads = heads }, build));
        using (model)
        {
            WeightInitializer.Initialize(model, seed: 1);
            CheckpointSaver.Save(model, architecture, args[1], new SaveOptions { Overwrite = true });
        }

        var random = new Random(1);
        var ids = args[1].TrimEnd('/') + ".ids.jsonl";
        File.WriteAllLines(ids, Enumerable.Range(0, options.Rows).Select(_ => JsonSerializer.Serialize(new { ids = Enumerable.Range(0, options.Length).Select(_ => random.Next(5, options.Vocab)) })));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{args[1]}: {Directory.EnumerateFiles(args[1], "*.safetensors").Sum(file => new FileInfo(file).Length) / 1e9:0.00} GB; {ids}: {options.Rows} rows of {options.Length} ids"));
        return 0;
    }
}
