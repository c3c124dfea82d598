namespace Generated.Native;

/// <summary>A native library is missing, damaged or does not fit; the message names the file, what is wrong with it and the way out.</summary>
public sealed class NativeLibraryException : InvalidInputException
{
    /// <param name="message">One clear sentence for the user.</param>
    public NativeLibraryException(string message) : base(message) { }

    /// <param name="message">One clear sentence for the user.</param>
    /// <param name="inner">The cause.</param>
    public NativeLibraryException(string message, Exception inner) : base(message, inner) { }
}
