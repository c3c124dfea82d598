using System.Globalization;

namespace Generated.Benchmarks;

/// <summary>Sizes of a kernel benchmark: <c>--name value</c> pairs.</summary>
internal sealed record BenchOptions
{
    public int Rows { get; init; } = 1;

    public int Length { get; init; } = 128;

    public int In { get; init; } = 2048;

    public int Out { get; private init; } = 5632;

    public int Kv { get; private init; } = 256;

    public int Ffn { get; init; } = 5632;

    public int Layers { get; init; } = 22;

    public int Vocab { get; init; } = 32000;

    public int Threads { get; private init; } = Environment.ProcessorCount;

    public int Rounds { get; private init; } = 15;

    /// <param name="args">The pairs.</param>
    /// <param name="defaults">What is not given; null for the benchmarks' own.</param>
    public static BenchOptions Parse(string[] args, BenchOptions? defaults = null)
    {
        var options = defaults ?? new BenchOptions();
        for (var i = 0; i < args.Length; i += 2)
        {
            if (i + 1 == args.Length || !int.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out var value) || value < 1)
                throw new InvalidInputException($"Option {args[i]} needs a positive whole number.");
            options = args[i] switch
            {
                "--rows" => options with { Rows = value },
                "--length" => options with { Length = value },
                "--in" => options with { In = value },
                "--out" => options with { Out = value },
                "--kv" => options with { Kv = value },
                "--ffn" => options with { Ffn = value },
                "--layers" => options with { Layers = value },
                "--vocab" => options with { Vocab = value },
                "--threads" => options with { Threads = value },
                "--rounds" => options with { Rounds = value },
                _ => throw new InvalidInputException($"There is no option {args[i]}; use --rows, --length, --in, --out, --kv, --ffn, --layers, --vocab, --threads or --rounds."),
            };
        }
        return options;
    }
}
