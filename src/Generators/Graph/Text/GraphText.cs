namespace Generated.Generators.Graph.Text;

/// <summary>
/// Graphs as compact text, by which a declaration in a compiled assembly is read by the compiler of another project.
/// The first field is the version: a text of another version is not read, and the user is told to rebuild.
/// </summary>
internal static class GraphText
{
    private const string Version = "2";

    /// <summary>
    /// A block, part or model. Its config and the blocks it repeats are left out: they have texts of their own. What only the emitted
    /// half of a model needs (<see cref="ClassSpec.Model"/>) is left out too.
    /// </summary>
    public static string Write(ClassSpec spec) => Write(t => new GraphFields(t).Class(spec));

    public static string Write(ConfigSpec spec) => Write(t => ConfigFields.Config(t, spec));

    /// <summary>Null where the text is of another version or damaged.</summary>
    /// <param name="config">The config the class and its parts take.</param>
    /// <param name="block">Gives a block by its full name; null where there is none that can be read.</param>
    public static ClassSpec? ReadClass(string text, ConfigSpec? config, Func<string, ClassSpec?>? block = null) =>
        Read(text, t => new GraphFields(t, config, block).Class(null));

    /// <summary>Null where the text is of another version or damaged.</summary>
    public static ConfigSpec? ReadConfig(string text) => Read(text, t => ConfigFields.Config(t, null));

    private static string Write<T>(Func<Transfer, T> carry)
    {
        var transfer = Transfer.Writing();
        transfer.Text(Version);
        carry(transfer);
        return transfer.ToString();
    }

    private static T? Read<T>(string text, Func<Transfer, T> carry) where T : class
    {
        try
        {
            var transfer = Transfer.Reading(text);
            if (transfer.Text(null) != Version) return null;
            var value = carry(transfer);
            return transfer.IsAtEnd ? value : null;
        }
        catch (Exception damaged) when (damaged is FormatException or OverflowException or IndexOutOfRangeException)
        {
            return null;
        }
    }
}
