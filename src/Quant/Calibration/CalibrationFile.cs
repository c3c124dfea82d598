using System.Text;
using System.Text.Json;
using Generated.Checkpoints;
using Generated.Evaluation;
using Generated.Passes;
using Generated.Tokenization;
using Generated.Verification;

namespace Generated.Quant.Calibration;

/// <summary>
/// Reads calibration tokens. A text file is one stream, cut by the rule of <see cref="TextWindows"/>. A JSONL file has a document a
/// line: <c>{"text"}</c>, <c>{"src", "tgt"}</c> (strings, or lists of turns) or <c>{"ids"}</c>. A safetensors file has
/// <c>input_ids</c> [rows, length] and, where rows are padded, <c>attention_mask</c>.
/// </summary>
internal sealed class CalibrationFile
{
    private readonly string _path;
    private readonly ITokenizer? _tokenizer;
    private readonly string _problem;
    private readonly IInputScheme _inputs;
    private readonly int _vocabulary;
    private readonly CalibrationOptions _options;

    /// <param name="path">The file.</param>
    /// <param name="tokenizer">The checkpoint's tokenizer; files of token ids do without.</param>
    /// <param name="problem">Why there is no tokenizer.</param>
    /// <param name="inputs">The model's input scheme.</param>
    /// <param name="vocabulary">Size of the model's vocabulary.</param>
    /// <param name="options">How it is cut.</param>
    public CalibrationFile(string path, ITokenizer? tokenizer, string? problem, IInputScheme inputs, int vocabulary, CalibrationOptions options)
    {
        options.Check();
        (_path, _tokenizer, _problem, _inputs, _vocabulary, _options) = (path, tokenizer, problem ?? "The checkpoint has no tokenizer.", inputs, vocabulary, options);
        if (!File.Exists(path))
            throw new InvalidInputException($"{path} does not exist; give a calibration file of text, JSONL or token ids.");
    }

    /// <summary>The rows to calibrate on, and those behind them (null where there are none).</summary>
    /// <exception cref="InvalidInputException">The file has another form, holds ids that the model does not know, or leaves no row.</exception>
    public (CalibrationSet Calibration, CalibrationSet? HeldOut) Read()
    {
        var all = Rows();
        var (first, end) = (Index(_options.From, all.Count), Index(_options.To, all.Count));
        if (first >= end)
            throw new InvalidInputException(FormattableString.Invariant($"{_path} has {all.Count} rows, of which --from {_options.From} --to {_options.To} leaves none."));
        var heldOut = all.Skip(end).ToList();
        return (Set(all[first..end]), heldOut.Count > 0 ? Set(heldOut) : null);
    }

    /// <summary>⌈share · count⌉, as evaluation cuts.</summary>
    private static int Index(double share, int count) => (int)Math.Ceiling(share * count);

    private CalibrationSet Set(List<int[]> rows)
    {
        var kept = rows.Count <= _options.MaxRows
            ? rows
            : [.. Enumerable.Range(0, _options.MaxRows).Select(i => rows[(int)((long)i * rows.Count / _options.MaxRows)])];
        var set = new CalibrationSet(kept, _options.TokensPerBatch);
        foreach (var batch in set.Batches)
            _inputs.Prompt(batch); // says now what a model cannot take
        return set;
    }

    private List<int[]> Rows()
    {
        try
        {
            return Path.GetExtension(_path).ToLowerInvariant() switch
            {
                ".safetensors" => TokenRows(),
                ".jsonl" or ".json" => Documents(),
                _ => Windows(Encode(File.ReadAllText(_path, new UTF8Encoding(false, throwOnInvalidBytes: true)))),
            };
        }
        catch (DecoderFallbackException e)
        {
            throw new InvalidInputException($"{_path} is no UTF-8 text.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{_path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>One stream of tokens as rows.</summary>
    private List<int[]> Windows(IReadOnlyList<int> tokens)
    {
        if (tokens.Count == 0)
            return [];
        var room = Room();
        return [.. Enumerable.Range(0, (tokens.Count + room - 1) / room).Select(i => Builder.Around(tokens.Skip(i * room).Take(room)))];
    }

    private List<int[]> TokenRows()
    {
        using var file = Checkpoint.Open(_path);
        var inputs = new GoldenInputs(file);
        var rows = Enumerable.Range(0, inputs.Rows).Select(row => Enumerable.Range(0, inputs.Length).Where(c => inputs.IsReal(row, c)).Select(c => inputs.Batch(row, 1)[0, c]).ToArray());
        return [.. rows.Where(row => row.Length > 0).Select((row, i) => Ids(row, $"row {i}")).SelectMany(Cut)];
    }

    private List<int[]> Documents()
    {
        var rows = new List<int[]>();
        var packed = new List<int>();
        var number = 0;
        foreach (var line in File.ReadLines(_path, new UTF8Encoding(false, throwOnInvalidBytes: true)))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            using var document = Parse(line, number);
            var (text, row) = Document(document.RootElement, number);
            if (row is not null)
                rows.AddRange(Cut(row));
            else if (!_options.Pack)
                rows.AddRange(Windows(text!));
            else
                packed.AddRange([.. text!, .. Eos]);
        }

        rows.AddRange(Windows(packed));
        return rows;
    }

    /// <summary>A document as the tokens of a text, or as a whole row.</summary>
    private (IReadOnlyList<int>? Text, int[]? Row) Document(JsonElement document, int line)
    {
        if (document.ValueKind != JsonValueKind.Object)
            throw new InvalidInputException($"{_path}, line {line}: it has to be a JSON object.");
        if (document.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String)
            return (Encode(text.GetString()!), null);
        if (document.TryGetProperty("ids", out var ids) && ids.ValueKind == JsonValueKind.Array)
            return (null, Ids([.. ids.EnumerateArray().Select(id => id.TryGetInt64(out var value) ? value : -1)], $"line {line}"));
        if (document.TryGetProperty("src", out var source) && document.TryGetProperty("tgt", out var target))
            return (null, Turns(Strings(source, line), Strings(target, line)));
        throw new InvalidInputException($"{_path}, line {line}: it has none of \"text\", \"src\" with \"tgt\", or \"ids\".");
    }

    /// <summary>Prompt and answer; what is too long loses the beginning of its prompt and the end of its answer, as PaddleNLP cuts.</summary>
    private int[] Turns(IReadOnlyList<string> source, IReadOnlyList<string> target)
    {
        var last = Math.Min(source.Count, target.Count) - 1;
        if (last < 0)
            return [];
        var prompt = Enumerable.Range(0, last).SelectMany(i => Encode(source[i]).Concat(Encode(target[i])).Concat(Eos)).Concat(Encode(source[last])).ToList();
        var answer = Encode(target[last]).Concat(Eos).ToList();
        var room = Room();
        var kept = Math.Max(room / 2, room - answer.Count);
        prompt = [.. prompt.Skip(Math.Max(0, prompt.Count - kept))];
        return Builder.Around(prompt, answer.Take(room - prompt.Count));
    }

    private IEnumerable<int[]> Cut(int[] row) => row.Chunk(_options.Window);

    private int[] Ids(IReadOnlyList<long> ids, string place)
    {
        foreach (var id in ids)
        {
            if (id < 0 || id >= _vocabulary)
                throw new InvalidInputException($"{_path}, {place}: {id} is no id of the model's vocabulary of {_vocabulary}.");
        }

        return [.. ids.Select(id => (int)id)];
    }

    private RowBuilder Builder => field ??= new RowBuilder(Tokenizer, _inputs);

    private ITokenizer Tokenizer => _tokenizer ?? throw new InvalidInputException($"{_path} is text, which needs a tokenizer: {_problem} Token ids (JSONL with \"ids\", safetensors with input_ids) need none.");

    private IEnumerable<int> Eos => Tokenizer.EosIds.Take(1);

    private IReadOnlyList<int> Encode(string text) => Tokenizer.Encode(text);

    /// <summary>Tokens of text in a row.</summary>
    private int Room() => _options.Window > Builder.Specials
        ? _options.Window - Builder.Specials
        : throw new InvalidInputException($"--window is {_options.Window}; the model's special tokens alone take {Builder.Specials}.");

    private JsonDocument Parse(string line, int number)
    {
        try
        {
            return JsonDocument.Parse(line);
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"{_path}, line {number}: it is no JSON: {e.Message}", e);
        }
    }

    private IReadOnlyList<string> Strings(JsonElement value, int line) => value.ValueKind switch
    {
        JsonValueKind.String => [value.GetString()!],
        JsonValueKind.Array when value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String) => [.. value.EnumerateArray().Select(item => item.GetString()!)],
        _ => throw new InvalidInputException($"{_path}, line {line}: \"src\" and \"tgt\" are strings or lists of strings."),
    };
}
