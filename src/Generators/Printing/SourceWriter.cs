using System.Text;

namespace Generated.Generators.Printing;

/// <summary>Writes indented source with LF line ends.</summary>
internal sealed class SourceWriter
{
    private const int IndentWidth = 4;
    private readonly StringBuilder _text = new();
    private int _indent;
    private bool _isBlankPending;

    /// <summary>One or more lines at the current indentation.</summary>
    public SourceWriter Line(string text)
    {
        foreach (var line in text.Split('\n'))
        {
            if (_isBlankPending) _text.Append('\n');
            _isBlankPending = false;
            if (line.Length > 0) _text.Append(' ', _indent * IndentWidth).Append(line);
            _text.Append('\n');
        }

        return this;
    }

    public SourceWriter Lines(IEnumerable<string> lines)
    {
        foreach (var line in lines) Line(line);
        return this;
    }

    /// <summary>An empty line, unless a block begins or ends here.</summary>
    public SourceWriter Blank()
    {
        _isBlankPending = true;
        return this;
    }

    /// <summary>A line, then an indented block in braces until disposed.</summary>
    public IDisposable Block(string header, string close = "}")
    {
        Line(header).Line("{");
        return Indented(close);
    }

    /// <summary>An indented run of lines, then a closing line.</summary>
    public IDisposable Indented(string close)
    {
        _indent++;
        return new Closing(this, close);
    }

    public override string ToString() => _text.ToString();

    private sealed class Closing(SourceWriter writer, string close) : IDisposable
    {
        public void Dispose()
        {
            writer._indent--;
            writer._isBlankPending = false;
            if (close.Length > 0) writer.Line(close);
        }
    }
}
