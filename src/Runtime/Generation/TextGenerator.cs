using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using Generated.Architectures;
using Generated.Loading;
using Generated.Passes;
using Generated.Tokenization;

namespace Generated.Generation;

/// <summary>Continues prompts with a model. One generation at a time; the model and the tokenizer stay the caller's.</summary>
public sealed class TextGenerator
{
    private readonly CausalModel _model;
    private readonly ITokenizer? _tokenizer;
    private readonly IReadOnlyList<int> _eosIds;
    private readonly int? _contextLength;
    private readonly int _vocabulary;

    /// <param name="model">The model.</param>
    /// <param name="tokenizer">Its tokenizer; without one only ids go in and out.</param>
    /// <param name="eosIds">Ids that end a generation; null means the tokenizer's.</param>
    /// <param name="contextLength">Longest sequence, prompt included; null for no limit.</param>
    public TextGenerator(CausalModel model, ITokenizer? tokenizer, IReadOnlyList<int>? eosIds = null, int? contextLength = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        _tokenizer = tokenizer;
        _eosIds = eosIds ?? tokenizer?.EosIds ?? [];
        _contextLength = contextLength;
        _vocabulary = model.Vocabulary();
    }

    /// <summary>Streams the continuation of a text, computed on a thread of its own. Ending the enumeration early ends the computation.</summary>
    /// <param name="prompt">The text; the tokenizer's special tokens (BOS and the like) are added.</param>
    /// <param name="options">Sampling and limits; greedy if null.</param>
    /// <param name="cancellation">Ends the generation between two tokens.</param>
    /// <exception cref="InvalidInputException">The prompt is too long or an option is out of range.</exception>
    public IAsyncEnumerable<GeneratedPiece> GenerateAsync(string prompt, GenerationOptions? options = null, CancellationToken cancellation = default) =>
        GenerateAsync([Encode(prompt)], options, cancellation);

    /// <summary>Streams the continuations of a batch of tokenized prompts; pieces of different rows alternate.</summary>
    /// <inheritdoc cref="GenerateAsync(string, GenerationOptions, CancellationToken)"/>
    public async IAsyncEnumerable<GeneratedPiece> GenerateAsync(
        IReadOnlyList<IReadOnlyList<int>> prompts, GenerationOptions? options = null, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        // One thread for the whole generation: libtorch keeps a team of OpenMP threads for each thread that calls it.
        var channel = Channel.CreateBounded<GeneratedPiece>(new BoundedChannelOptions(64) { SingleReader = true, SingleWriter = true });
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var producer = Task.Factory.StartNew(() => Produce(prompts, options, channel.Writer, ended.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            await foreach (var piece in channel.Reader.ReadAllAsync(cancellation).ConfigureAwait(false))
                yield return piece;
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
            await producer.ConfigureAwait(false);
        }
    }

    /// <summary>Streams the continuations of a batch of tokenized prompts on the calling thread.</summary>
    /// <param name="prompts">The ids of each row; none is empty.</param>
    /// <param name="options">Sampling and limits; greedy if null.</param>
    /// <param name="cancellation">Ends the generation between two tokens.</param>
    /// <exception cref="InvalidInputException">A prompt is empty, too long or beyond the vocabulary, or an option is out of range.</exception>
    public IEnumerable<GeneratedPiece> Generate(IReadOnlyList<IReadOnlyList<int>> prompts, GenerationOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        options ??= new GenerationOptions();
        options.Check();
        CheckPrompts(prompts, options);
        return Stream(_model.Inputs.Pad(prompts, _tokenizer?.PadId ?? 0), prompts, options, cancellation);
    }

    /// <summary>Continues a batch of tokenized prompts to the end.</summary>
    /// <inheritdoc cref="Generate(IReadOnlyList{IReadOnlyList{int}}, GenerationOptions, CancellationToken)"/>
    public IReadOnlyList<GeneratedText> Complete(IReadOnlyList<IReadOnlyList<int>> prompts, GenerationOptions? options = null, CancellationToken cancellation = default)
    {
        var ids = prompts.Select(_ => new List<int>()).ToArray();
        var texts = prompts.Select(_ => new StringBuilder()).ToArray();
        var finishes = new FinishReason[prompts.Count];
        foreach (var piece in Generate(prompts, options, cancellation))
        {
            ids[piece.Row].Add(piece.Id);
            texts[piece.Row].Append(piece.Text);
            finishes[piece.Row] = piece.Finish;
        }

        return [.. ids.Select((row, i) => new GeneratedText(row, texts[i].ToString(), finishes[i]))];
    }

    /// <summary>Continues a text to the end.</summary>
    /// <inheritdoc cref="GenerateAsync(string, GenerationOptions, CancellationToken)"/>
    public GeneratedText Complete(string prompt, GenerationOptions? options = null, CancellationToken cancellation = default) =>
        Complete([Encode(prompt)], options, cancellation)[0];

    private IReadOnlyList<int> Encode(string prompt) =>
        (_tokenizer ?? throw new InvalidInputException("There is no tokenizer: give token ids instead of text, or put the tokenizer's files into the checkpoint folder."))
        .Encode(prompt, addSpecial: true);

    private IEnumerable<GeneratedPiece> Stream(TokenBatch batch, IReadOnlyList<IReadOnlyList<int>> prompts, GenerationOptions options, CancellationToken cancellation)
    {
        var ends = (options.EosIds ?? _eosIds).ToHashSet();
        var rows = prompts.Select((prompt, row) => new RowText(row, prompt, _tokenizer, options, ends)).ToArray();
        using var loop = new TokenLoop(_model, batch, options);
        for (var step = 1; rows.Any(row => !row.IsFinished); step++)
        {
            cancellation.ThrowIfCancellationRequested();
            var next = loop.Next().ToArray();
            for (var row = 0; row < rows.Length; row++)
            {
                if (!rows[row].IsFinished)
                    yield return rows[row].Add((int)next[row], prompts[row].Count + step >= _contextLength);
            }
        }
    }

    private void Produce(IReadOnlyList<IReadOnlyList<int>> prompts, GenerationOptions? options, ChannelWriter<GeneratedPiece> writer, CancellationToken cancellation)
    {
        try
        {
            foreach (var piece in Generate(prompts, options, cancellation))
            {
                // The reader takes pieces faster than a model makes them; where it does not, this thread waits for it.
                if (!writer.TryWrite(piece))
                    writer.WriteAsync(piece, cancellation).AsTask().GetAwaiter().GetResult();
            }

            writer.Complete();
        }
        catch (Exception e)
        {
            writer.Complete(e);
        }
    }

    private void CheckPrompts(IReadOnlyList<IReadOnlyList<int>> prompts, GenerationOptions options)
    {
        if (_tokenizer is null && options.StopStrings.Count > 0)
            throw new InvalidInputException("Stop strings need a tokenizer, and there is none.");
        for (var row = 0; row < prompts.Count; row++)
        {
            var prompt = prompts[row];
            if (_contextLength is { } limit && prompt.Count >= limit)
                throw new InvalidInputException($"The prompt{InRow(row)} has {prompt.Count} tokens and the model's longest sequence is {limit}: shorten it to {limit - 1} or less.");
            foreach (var id in prompt)
            {
                if (id < 0 || id >= _vocabulary)
                    throw new InvalidInputException($"The prompt{InRow(row)} holds the token {id}, and the model's vocabulary has {_vocabulary}: the tokenizer belongs to another model.");
            }
        }

        string InRow(int row) => prompts.Count > 1 ? $" in row {row}" : "";
    }
}
