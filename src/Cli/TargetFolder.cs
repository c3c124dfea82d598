namespace Generated.Cli;

/// <summary>The folder that a command writes, before anything is read: what would be lost by a slip of the pen is refused.</summary>
internal static class TargetFolder
{
    /// <param name="target">The folder to write.</param>
    /// <param name="source">The folder that is read.</param>
    /// <param name="overwrite">Whether a checkpoint that is there is replaced.</param>
    /// <returns>The folder to write.</returns>
    /// <exception cref="InvalidInputException">It holds something else than a checkpoint, or holds the source.</exception>
    public static string Check(string target, string source, bool overwrite)
    {
        if (!overwrite || !Directory.Exists(target) || !Directory.EnumerateFileSystemEntries(target).Any())
            return target;
        if (!File.Exists(Path.Combine(target, "config.json")))
            throw new InvalidInputException($"{target} holds no checkpoint (it has no config.json), and --overwrite replaces nothing else: remove it, or name another folder.");
        var inside = Path.GetRelativePath(target, source);
        if (inside != "." && !Path.IsPathRooted(inside) && inside.Split(Path.DirectorySeparatorChar)[0] != "..")
            throw new InvalidInputException($"{target} holds {source}, which would be lost with it; name another folder.");
        return target;
    }
}
