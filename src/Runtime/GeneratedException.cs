namespace Generated;

/// <summary>A failure whose message is one sentence that names the file, tensor, key or layer and says what to do.</summary>
public class GeneratedException : Exception
{
    /// <param name="message">One clear sentence for the user.</param>
    public GeneratedException(string message) : base(message) { }

    /// <param name="message">One clear sentence for the user.</param>
    /// <param name="inner">The cause.</param>
    public GeneratedException(string message, Exception inner) : base(message, inner) { }
}

/// <summary>Input that cannot be used (a damaged file, a contradictory config, an unknown option): exit code 2 of the command.</summary>
public class InvalidInputException : GeneratedException
{
    /// <param name="message">One clear sentence for the user.</param>
    public InvalidInputException(string message) : base(message) { }

    /// <param name="message">One clear sentence for the user.</param>
    /// <param name="inner">The cause.</param>
    public InvalidInputException(string message, Exception inner) : base(message, inner) { }
}
