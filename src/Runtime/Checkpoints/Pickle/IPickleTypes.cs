namespace Generated.Checkpoints.Pickle;

/// <summary>
/// What a format's pickles may refer to. Only what <see cref="Find"/> lists exists; nothing is looked up, imported or called.
/// Methods report what they do not accept by <see cref="PickleTypeException"/>; the machine adds the file and position.
/// </summary>
internal interface IPickleTypes
{
    /// <summary>The value that a global stands for, or null if the format has no such global.</summary>
    object? Find(string module, string name);

    /// <summary>The result of calling <paramref name="function"/> (a value from <see cref="Find"/>).</summary>
    object? Call(object? function, PickleTuple arguments);

    /// <summary>Gives an object made by <see cref="Call"/> its state.</summary>
    void SetState(object? target, object? state);

    /// <summary>The object that lies outside the pickle under this id.</summary>
    object? Persistent(object? id);
}
