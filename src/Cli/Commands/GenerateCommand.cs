using System.CommandLine;
using System.Diagnostics;
using System.Text;
using Generated.Generation;
using Generated.Loading;
using Generated.Tokenization.Chat;

namespace Generated.Cli.Commands;

/// <summary><c>generated generate</c>: continues prompts.</summary>
internal static class GenerateCommand
{
    public static Command Create(Terminal terminal)
    {
        var directory = new Argument<string>("dir") { Description = "Checkpoint folder." };
        var prompt = new Option<string[]>("--prompt") { Description = "Text to continue; repeat it for a batch.", DefaultValueFactory = _ => [], HelpName = "text" };
        var ids = new Option<string[]>("--ids") { Description = "Token ids to continue, separated by commas, instead of text.", DefaultValueFactory = _ => [], HelpName = "ids" };
        var chat = new Option<bool>("--chat") { Description = "Takes the prompt as a user's message and writes it in the chat model's own format." };
        var system = new Option<string?>("--system") { Description = "System message of a chat.", HelpName = "text" };
        var noEcho = new Option<bool>("--no-echo") { Description = "Writes only the continuation, not the prompt in front of it." };
        var sampling = new SamplingOptions();
        var model = new ModelOptions();
        var command = new Command("generate", "Continues prompts, streaming the text.") { directory, prompt, ids, chat, system, noEcho };
        sampling.AddTo(command);
        model.AddTo(command);
        command.SetAction((parse, cancellation) => OffThread.Run(() => model.OnRanks(parse, terminal, (group, output) =>
        {
            var options = sampling.Read(parse);
            var (texts, given) = (parse.GetRequiredValue(prompt), parse.GetRequiredValue(ids));
            if ((texts.Length == 0) == (given.Length == 0))
                throw new InvalidInputException("Give --prompt, or --ids instead.");
            if (parse.GetValue(system) is not null && !parse.GetValue(chat))
                throw new InvalidInputException("--system is a message of a chat: add --chat.");
            var idRows = given.Select(ParseIds).ToList();
            using var loaded = model.Load(parse, output, parse.GetRequiredValue(directory), group, cancellation: cancellation);
            var rows = idRows;
            if (parse.GetValue(chat))
                (rows, options) = Chat(loaded, texts, parse.GetValue(system), options);
            else if (texts.Length > 0)
                rows = [.. texts.Select(text => loaded.RequireTokenizer().Encode(text, addSpecial: true))];
            var echo = parse.GetValue(noEcho) || parse.GetValue(chat) ? [] : texts;
            if (parse.GetValue(model.Json))
                WriteJson(output, loaded, rows, texts, options, cancellation);
            else if (rows.Count == 1)
                Stream(output, loaded, rows, echo, options, cancellation);
            else
                WriteBatch(output, loaded, rows, echo, options, cancellation);
            return CommandLine.Success;
        })));
        return Help.WithExamples(command,
            "generate ./llama --prompt \"Once upon a time\" --max-tokens 200",
            "generate ./llama --prompt \"Q: What is a llama?\\nA:\" --temperature 0.8 --top-p 0.95 --seed 1 --stop \"\\nQ:\"",
            "generate ./qwen-chat --chat --prompt \"What is a llama?\"",
            "generate ./llama --prompt \"One\" --prompt \"Two\" --json");
    }

    /// <summary>Each text as a user's message in the checkpoint's chat format, whose own end tokens end the answer too.</summary>
    private static (List<IReadOnlyList<int>> Rows, GenerationOptions Options) Chat(LoadedModel loaded, string[] texts, string? system, GenerationOptions options)
    {
        if (texts.Length == 0)
            throw new InvalidInputException("--chat takes messages by --prompt, not --ids.");
        var tokenizer = loaded.RequireTokenizer();
        var format = ChatFormat.Load(loaded.Directory, tokenizer)
            ?? throw new InvalidInputException($"{loaded.Directory} says no chat format (chat_template in tokenizer_config.json); leave --chat out and write the prompt as the model expects it.");
        var ends = options.EosIds ?? [.. loaded.EosIds ?? tokenizer.EosIds, .. format.StopTokens.Select(tokenizer.TokenToId).OfType<int>()];
        ChatMessage[] before = system is null ? [] : [new ChatMessage("system", system)];
        var rows = texts.Select(text => format.Encode(tokenizer, [.. before, new ChatMessage("user", text)], addGenerationPrompt: true));
        return ([.. rows], options with { EosIds = ends });
    }

    /// <summary>Streams one continuation and, for a person watching, says how fast it was.</summary>
    internal static void Stream(Terminal terminal, LoadedModel loaded, IReadOnlyList<IReadOnlyList<int>> rows, string[] echo, GenerationOptions options, CancellationToken cancellation)
    {
        var speed = new Speed();
        terminal.Output.Write(echo.FirstOrDefault(""));
        terminal.Output.Flush();
        foreach (var piece in loaded.CreateGenerator().Generate(rows, options, cancellation))
        {
            speed.Count();
            terminal.Output.Write(loaded.Tokenizer is null ? FormattableString.Invariant($"{piece.Id} ") : piece.Text);
            terminal.Output.Flush();
        }

        terminal.Output.WriteLine();
        terminal.Output.Flush();
        if (terminal.IsInteractive)
            terminal.Error.WriteLine(FormattableString.Invariant($"[{speed.Tokens} tokens, first after {speed.FirstSeconds * 1000:0} ms, then {speed.PerSecond:0.0} tokens/s]"));
    }

    private static void WriteBatch(Terminal terminal, LoadedModel loaded, IReadOnlyList<IReadOnlyList<int>> rows, string[] echo, GenerationOptions options, CancellationToken cancellation)
    {
        var results = loaded.CreateGenerator().Complete(rows, options, cancellation);
        for (var row = 0; row < results.Count; row++)
        {
            var text = loaded.Tokenizer is null ? string.Join(' ', results[row].Ids) : results[row].Text;
            terminal.Output.WriteLine($"--- {row + 1} ---");
            terminal.Output.WriteLine((row < echo.Length ? echo[row] : "") + text);
        }
    }

    private static void WriteJson(Terminal terminal, LoadedModel loaded, IReadOnlyList<IReadOnlyList<int>> rows, string[] prompts, GenerationOptions options, CancellationToken cancellation)
    {
        var speed = new Speed();
        var ids = rows.Select(_ => new List<int>()).ToArray();
        var texts = rows.Select(_ => new StringBuilder()).ToArray();
        var finishes = new FinishReason[rows.Count];
        foreach (var piece in loaded.CreateGenerator().Generate(rows, options, cancellation))
        {
            speed.Count();
            ids[piece.Row].Add(piece.Id);
            texts[piece.Row].Append(piece.Text);
            finishes[piece.Row] = piece.Finish;
        }

        for (var row = 0; row < rows.Count; row++)
        {
            var index = row;
            terminal.WriteJson(json =>
            {
                if (index < prompts.Length)
                    json.WriteString("prompt", prompts[index]);
                json.WriteNumber("prompt_tokens", rows[index].Count);
                json.WriteString("text", texts[index].ToString());
                json.WriteStartArray("ids");
                foreach (var id in ids[index])
                    json.WriteNumberValue(id);
                json.WriteEndArray();
                json.WriteString("finish", finishes[index] switch
                {
                    FinishReason.Eos => "eos",
                    FinishReason.StopString => "stop",
                    FinishReason.MaxTokens => "max_tokens",
                    _ => "context_length",
                });
                json.WriteNumber("seconds_to_first", Math.Round(speed.FirstSeconds, 4));
                json.WriteNumber("tokens_per_second", Math.Round(speed.PerSecond, 2));
            });
        }
    }

    private static IReadOnlyList<int> ParseIds(string text) =>
        [.. text.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries).Select(part => int.TryParse(part, out var id) ? id : throw new InvalidInputException($"'{part}' in --ids is no token id."))];

    /// <summary>Tokens per second after the first, whose time is the prompt's.</summary>
    internal sealed class Speed
    {
        private readonly Stopwatch _clock = Stopwatch.StartNew();

        /// <summary>Tokens so far, over all rows.</summary>
        public int Tokens { get; private set; }

        /// <summary>Time to the first token, in seconds.</summary>
        public double FirstSeconds { get; private set; }

        /// <summary>Speed after the first token.</summary>
        public double PerSecond { get; private set; }

        /// <summary>Counts a token.</summary>
        public void Count()
        {
            var now = _clock.Elapsed.TotalSeconds;
            if (++Tokens == 1)
                FirstSeconds = now;
            else
                PerSecond = (Tokens - 1) / (now - FirstSeconds);
        }
    }
}
