using System.CommandLine;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Generated.Tokenization;

namespace Generated.Cli.Commands;

/// <summary><c>generated tokenize</c>: text to ids and back.</summary>
internal static class TokenizeCommand
{
    public static Command Create(Terminal terminal)
    {
        var directory = new Argument<string>("dir") { Description = "Checkpoint or tokenizer folder." };
        var jsonl = new Option<string?>("--jsonl") { Description = "File with one {\"text\"} object per line ('-' is standard input); writes {\"ids\",\"decoded\"} for each.", HelpName = "file" };
        var whole = new Option<string?>("--whole") { Description = "File to tokenize as one text; writes {\"count\",\"sha256\"} of the ids as little-endian int32.", HelpName = "file" };
        var text = new Option<string?>("--text") { Description = "Text to tokenize; writes {\"ids\",\"decoded\"}." };
        var special = new Option<bool>("--special") { Description = "Adds special tokens (BOS and the like)." };
        var json = new Option<bool>("--json") { Description = "Taken as by every command; the output is JSON in any case." };
        var command = new Command("tokenize", "Turns text into token ids and back.") { directory, jsonl, whole, text, special, json };
        command.SetAction(parse =>
        {
            var inputs = new[] { parse.GetValue(jsonl), parse.GetValue(whole), parse.GetValue(text) };
            if (inputs.Count(i => i is not null) != 1)
                throw new InvalidInputException("Give one of --text, --jsonl and --whole.");
            var tokenizer = TokenizerLoader.Load(parse.GetRequiredValue(directory));
            var addSpecial = parse.GetValue(special);
            if (inputs[0] is { } lines)
                TokenizeLines(terminal, tokenizer, lines, addSpecial);
            else if (inputs[1] is { } file)
                TokenizeWhole(terminal, tokenizer, file, addSpecial);
            else
                Write(terminal, tokenizer, inputs[2]!, addSpecial);
            return CommandLine.Success;
        });
        return Help.WithExamples(command,
            "tokenize ./llama --text \"Once upon a time\"",
            "tokenize ./llama --jsonl prompts.jsonl > ids.jsonl",
            "tokenize ./llama --whole corpus.txt");
    }

    private static void TokenizeLines(Terminal terminal, ITokenizer tokenizer, string file, bool addSpecial)
    {
        using var reader = file == "-" ? new StreamReader(Console.OpenStandardInput(), Encoding.UTF8) : TextFiles.Open(file);
        if (terminal.IsInteractive)
            WriteRows(null); // the rows themselves appear on the screen, where a bar would be between them
        else
            terminal.WithProgress($"Tokenizing {Path.GetFileName(file)}", WriteRows);

        bool WriteRows(IProgress<double>? progress)
        {
            var length = reader.BaseStream.CanSeek ? reader.BaseStream.Length : 0;
            for (var number = 1; reader.ReadLine() is { } line; number++)
            {
                if (line.Length > 0)
                    Write(terminal, tokenizer, TextOf(line, file, number), addSpecial);
                if (length > 0)
                    progress?.Report((double)reader.BaseStream.Position / length);
            }

            return true;
        }
    }

    private static string TextOf(string line, string file, int number)
    {
        try
        {
            using var row = JsonDocument.Parse(line);
            if (row.RootElement.ValueKind == JsonValueKind.Object && row.RootElement.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String)
                return text.GetString()!;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidInputException($"{file}, line {number} is no valid JSON: {e.Message}", e);
        }

        throw new InvalidInputException($"{file}, line {number} has no \"text\": each line has to be an object with a text under that key.");
    }

    private static void TokenizeWhole(Terminal terminal, ITokenizer tokenizer, string file, bool addSpecial)
    {
        var ids = terminal.WithProgress($"Tokenizing {Path.GetFileName(file)}", _ => tokenizer.Encode(TextFiles.Read(file), addSpecial).ToArray());
        if (!BitConverter.IsLittleEndian)
            System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(ids, ids);
        var hash = Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<int>(ids)));
        terminal.WriteJson(json =>
        {
            json.WriteNumber("count", ids.Length);
            json.WriteString("sha256", hash);
        });
    }

    private static void Write(Terminal terminal, ITokenizer tokenizer, string text, bool addSpecial)
    {
        var ids = tokenizer.Encode(text, addSpecial);
        terminal.WriteJson(json =>
        {
            json.WriteStartArray("ids");
            foreach (var id in ids)
                json.WriteNumberValue(id);
            json.WriteEndArray();
            json.WriteString("decoded", tokenizer.Decode(ids, skipSpecial: false));
        });
    }
}
