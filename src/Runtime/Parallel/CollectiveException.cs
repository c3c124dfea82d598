namespace Generated.Parallel;

/// <summary>Communication between ranks failed; the message names the rank and the call.</summary>
public class CollectiveException : GeneratedException
{
    /// <param name="message">One clear sentence for the user.</param>
    public CollectiveException(string message) : base(message) { }

    /// <param name="message">One clear sentence for the user.</param>
    /// <param name="inner">The cause.</param>
    public CollectiveException(string message, Exception inner) : base(message, inner) { }
}
