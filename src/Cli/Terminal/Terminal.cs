using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Spectre.Console;

namespace Generated.Cli;

/// <summary>Where a command writes: results to the output, errors and progress to the error stream.</summary>
/// <param name="output">Results.</param>
/// <param name="error">Errors and progress.</param>
/// <param name="isInteractive">Whether a person is watching; only then is there progress and colour.</param>
internal sealed class Terminal(TextWriter output, TextWriter error, bool isInteractive)
{
    private static readonly JsonWriterOptions OneLine = new() { Indented = false };

    /// <summary>A terminal that writes nothing: that of all ranks but the first.</summary>
    public static Terminal Silent { get; } = new(TextWriter.Null, TextWriter.Null, isInteractive: false);

    /// <summary>Where results go.</summary>
    public TextWriter Output => output;

    /// <summary>Where errors and progress go.</summary>
    public TextWriter Error => error;

    /// <summary>Whether a person is watching.</summary>
    public bool IsInteractive => isInteractive;

    /// <summary>Writes the one sentence of a failure.</summary>
    public void Fail(string sentence)
    {
        output.Flush();
        error.WriteLine("error: " + sentence);
    }

    /// <summary>Writes one JSON object as a line, plain ASCII.</summary>
    public void WriteJson(Action<Utf8JsonWriter> members)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, OneLine))
        {
            writer.WriteStartObject();
            members(writer);
            writer.WriteEndObject();
        }

        output.WriteLine(Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length));
    }

    /// <summary>A console of Spectre's for tables on the output.</summary>
    public IAnsiConsole Console => field ??= CreateConsole();

    /// <summary>Runs work under a progress bar with time left; without a person watching, with a line on the error stream now and then.</summary>
    /// <param name="title">What is done, such as "Loading weights".</param>
    /// <param name="work">Gets what reports the share done, from 0 to 1.</param>
    public T WithProgress<T>(string title, Func<IProgress<double>, T> work) => WithProgress(title, (share, _) => work(share));

    /// <summary>The same for work that says what it is at.</summary>
    /// <param name="title">What is done, such as "Quantizing llama".</param>
    /// <param name="work">Gets what reports the share done, from 0 to 1, and what is worked on, such as "block 3 of 32".</param>
    public T WithProgress<T>(string title, Func<IProgress<double>, IProgress<string>, T> work)
    {
        if (!isInteractive)
        {
            var lines = new ProgressLines(error, title, TimeProvider.System);
            return work(new Share(lines.Done), new Stage(lines.Working));
        }

        output.Flush();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(error) });
        return console.Progress().AutoClear(true).HideCompleted(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                var task = context.AddTask(Markup.Escape(title), maxValue: 1);
                task.IsIndeterminate = true; // one long call reports nothing until its end
                return work(
                    new Share(done => (task.IsIndeterminate, task.Value) = (false, done)),
                    new Stage(what => task.Description = Markup.Escape($"{title}, {what}")));
            });
    }

    /// <summary>
    /// Says in one line, which the next replaces, what goes on. Unlike a bar it has no thread of its own, so that nothing runs beside
    /// what is being timed.
    /// </summary>
    /// <param name="line">What goes on; null takes the line away.</param>
    public void Status(string? line)
    {
        const string ClearLine = "\r\u001b[K";
        if (!isInteractive)
            return;
        output.Flush();
        error.Write(ClearLine + line);
        error.Flush();
    }

    private IAnsiConsole CreateConsole()
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            Interactive = InteractionSupport.No,
            Ansi = isInteractive ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = isInteractive ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
        });
        if (!isInteractive)
            console.Profile.Width = 200; // a file has no width to fit into
        return console;
    }

    /// <summary>Reports on the calling thread.</summary>
    private sealed class Stage(Action<string> show) : IProgress<string>
    {
        public void Report(string value) => show(value);
    }

    /// <summary>Reports on the calling thread, at most ten times a second.</summary>
    private sealed class Share(Action<double> show) : IProgress<double>
    {
        private long _last;

        public void Report(double value)
        {
            var now = Stopwatch.GetTimestamp();
            if (value < 1 && Stopwatch.GetElapsedTime(_last, now) < TimeSpan.FromMilliseconds(100))
                return;
            _last = now;
            show(value);
        }
    }

    /// <summary>A count of bytes for people: 1.1 GB.</summary>
    public static string Bytes(double count)
    {
        string[] units = ["B", "kB", "MB", "GB", "TB"];
        var unit = 0;
        for (; count >= 1000 && unit < units.Length - 1; unit++)
            count /= 1000;
        return string.Create(CultureInfo.InvariantCulture, $"{count:0.##} {units[unit]}");
    }
}
