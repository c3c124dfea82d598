using System.Text;

namespace Generated.Cli;

/// <summary>Text files given on the command line: UTF-8, with failures as one sentence.</summary>
internal static class TextFiles
{
    /// <summary>Opens a file for reading line by line.</summary>
    /// <exception cref="InvalidInputException">It does not exist or cannot be read.</exception>
    public static StreamReader Open(string path)
    {
        try
        {
            return new StreamReader(path, new UTF8Encoding(false, throwOnInvalidBytes: false));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw Unreadable(path, e);
        }
    }

    /// <summary>Reads a whole file exactly as it is, line ends included.</summary>
    /// <exception cref="InvalidInputException">It does not exist, cannot be read, or is no UTF-8.</exception>
    public static string Read(string path)
    {
        try
        {
            using var reader = new StreamReader(path, new UTF8Encoding(false, throwOnInvalidBytes: true));
            return reader.ReadToEnd();
        }
        catch (DecoderFallbackException e)
        {
            throw new InvalidInputException($"{path} is no UTF-8 text.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw Unreadable(path, e);
        }
    }

    private static InvalidInputException Unreadable(string path, Exception failure) => new(
        path.Length == 0 ? "A text file has no name."
        : Directory.Exists(path) ? $"{path} is a folder; a text file is expected."
        : File.Exists(path) ? $"{path} cannot be read: {failure.Message}"
        : $"{path} does not exist.",
        failure);
}
