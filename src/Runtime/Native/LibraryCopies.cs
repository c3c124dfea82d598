using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;

namespace Generated.Native;

#pragma warning disable CA1416 // Unix file modes: LibTorch comes here on Linux only.

/// <summary>
/// Makes a copy of libLibTorchSharp.so that loads where the system's libstdc++ is older than gcc 13's.
/// <para>
/// TorchSharp's library asks for the symbol version GLIBCXX_3.4.32, of which it uses exactly one symbol,
/// <c>std::ios_base_library_init()</c>: an empty marker that a header of gcc 13 refers to and nothing calls. In the
/// copy, that one requirement is marked weak (one 16-bit field), so the loader no longer insists on it. The original
/// is never written: output folders hold hard links to the package cache.
/// </para>
/// </summary>
internal static class LibraryCopies
{
    internal const string RemovableVersion = "GLIBCXX_3.4.32";
    private const string HarmlessSymbol = "_ZSt21ios_base_library_initv";
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>The library's bytes with the version requirement marked weak.</summary>
    /// <exception cref="NativeLibraryException">The library does not have the requirement, or a symbol that is called has that version.</exception>
    internal static byte[] Relax(string original)
    {
        using var elf = ElfFile.Open(original);
        if (elf.FindVersionNeed(RemovableVersion) is not { } need)
            throw new NativeLibraryException($"{original} does not ask for {RemovableVersion}, so a relaxed copy would not help.");
        var symbols = elf.SymbolsOfVersion(need.Index);
        if (symbols is null || symbols.Any(s => s != HarmlessSymbol))
            throw new NativeLibraryException(
                $"{original} needs {RemovableVersion} of libstdc++ for {(symbols is null ? "unknown symbols" : string.Join(", ", symbols.Where(s => s != HarmlessSymbol)))}; install libstdc++ of gcc 13 or newer.");
        var bytes = File.ReadAllBytes(original);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan((int)need.FlagsOffset), (ushort)(need.Flags | ElfFile.VersionFlagWeak));
        return bytes;
    }

    /// <summary>
    /// Puts <paramref name="content"/> into a folder that only this user can write, under a name made of its hash, and returns the path.
    /// Safe when many processes do it at once: each writes its own temporary file and renames it into place.
    /// A file already there is used only if every byte is as expected.
    /// </summary>
    internal static string Store(string folder, string name, byte[] content)
    {
        EnsurePrivate(folder);
        var hash = Convert.ToHexStringLower(SHA256.HashData(content).AsSpan(0, 12));
        var path = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileNameWithoutExtension(name)}-{content.Length}-{hash}{Path.GetExtension(name)}"));
        if (Holds(path, content))
            return path;
        var temporary = $"{path}.{Environment.ProcessId}-{Guid.NewGuid():N}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = Private }))
            {
                stream.Write(content);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
        return Holds(path, content) ? path : throw new NativeLibraryException($"{path} was changed by another program while it was being written; remove the folder {folder} and try again.");
    }

    /// <summary>Folders for copies, best first: GENERATED_CACHE, the user's cache folder, a private folder under the temporary one.</summary>
    internal static IEnumerable<string> Folders()
    {
        if (Environment.GetEnvironmentVariable("GENERATED_CACHE") is { Length: > 0 } chosen)
        {
            yield return Path.Combine(Path.GetFullPath(chosen), "native");
            yield break;
        }
        if (Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache && Path.IsPathRooted(cache))
            yield return Path.Combine(cache, "generated", "native");
        if (Environment.GetEnvironmentVariable("HOME") is { Length: > 0 } home && Path.IsPathRooted(home))
            yield return Path.Combine(home, ".cache", "generated", "native");
        yield return Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"generated-{Libc.UserId}"));
    }

    /// <summary>Creates the folder for this user alone; refuses one that another user owns or could write to.</summary>
    private static void EnsurePrivate(string folder)
    {
        Directory.CreateDirectory(folder, Private);
        if (!Libc.IsOwnedByUser(folder))
            throw new NativeLibraryException($"{folder} belongs to another user or is a link, so libraries in it cannot be trusted; set GENERATED_CACHE to a folder of your own.");
        const UnixFileMode Writable = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;
        if ((File.GetUnixFileMode(folder) & Writable) != 0)
            File.SetUnixFileMode(folder, Private);
    }

    private static bool Holds(string path, byte[] content)
    {
        try
        {
            var file = new FileInfo(path);
            return file.Exists && file.LinkTarget is null && file.Length == content.Length && Libc.IsOwnedByUser(path) && File.ReadAllBytes(path).AsSpan().SequenceEqual(content);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
