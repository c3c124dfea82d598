using System.CommandLine;
using Generated.Tokenization.Learning;

namespace Generated.Cli.Commands;

/// <summary><c>generated train-tokenizer</c>: learns a byte-level BPE vocabulary from text.</summary>
internal static class TrainTokenizerCommand
{
    public static Command Create(Terminal terminal)
    {
        var text = new Argument<string>("text") { Description = "UTF-8 text to learn from." };
        var directory = new Argument<string>("dir") { Description = "Folder that gets tokenizer.json and tokenizer_config.json." };
        var size = new Option<int>("--vocab-size") { Description = "Number of tokens, special ones included.", DefaultValueFactory = _ => 4096, HelpName = "n" };
        var special = new Option<string[]>("--special") { Description = "Special tokens; the first begins a sequence, the last ends it.", DefaultValueFactory = _ => ["<s>", "</s>"], AllowMultipleArgumentsPerToken = true, HelpName = "token" };
        var output = new Option<bool>("--json") { Description = "Taken as by every command; the output is JSON in any case." };
        var command = new Command("train-tokenizer", "Learns a byte-level BPE vocabulary from text.") { text, directory, size, special, output };
        command.SetAction(parse =>
        {
            var corpus = TextFiles.Read(parse.GetRequiredValue(text));
            var specialTokens = parse.GetRequiredValue(special);
            var wanted = parse.GetValue(size);
            var merges = Math.Max(1, wanted - 256 - specialTokens.Length);
            var vocabulary = terminal.WithProgress("Learning merges", share =>
                BpeTrainer.Train(corpus, wanted, specialTokens, new Merges(done => share.Report((double)done / merges))));
            vocabulary.Save(parse.GetRequiredValue(directory));
            terminal.WriteJson(json =>
            {
                json.WriteNumber("vocab_size", vocabulary.Size);
                json.WriteNumber("characters", corpus.Length);
            });
            return CommandLine.Success;
        });
        return Help.WithExamples(command, "train-tokenizer corpus.txt ./tokenizer --vocab-size 1024");
    }

    /// <summary>Reports on the calling thread.</summary>
    private sealed class Merges(Action<int> report) : IProgress<int>
    {
        public void Report(int value) => report(value);
    }
}
