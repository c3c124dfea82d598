namespace Generated.Kernels;

/// <summary>Work that a <see cref="ThreadTeam"/> splits: a struct of pointers and sizes, so that starting it allocates nothing.</summary>
internal interface ITeamJob
{
    /// <summary>Does part <paramref name="chunk"/> of the work. Parts are independent and each is done exactly once, on any thread.</summary>
    void Execute(int chunk);
}
