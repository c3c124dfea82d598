namespace Generated.Kernels;

/// <summary>
/// Working memory of the calling thread, kept between calls so that a decoding step allocates nothing; the finalizer of its block
/// frees it after the thread has ended. A kernel takes it once and cuts it up.
/// </summary>
internal static unsafe class Scratch
{
    private const long Slack = 4096;

    [ThreadStatic]
    private static NativeBlock? s_block;

    /// <summary>At least this many bytes, valid until this thread's next call. Contents are undefined.</summary>
    public static byte* Take(long bytes)
    {
        if (s_block is not { } block || block.Bytes < bytes)
        {
            s_block?.Dispose();
            s_block = block = new NativeBlock(bytes + Slack);
        }
        return block.Pointer;
    }
}
