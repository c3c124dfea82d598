using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Generated.Native;

namespace Runtime.Tests.Native;

public sealed class ElfFileTests : IDisposable
{
    private static readonly string Library = LibraryFolders.Find(LibraryFolders.OfApplication(), LibTorch.LibraryName)!;
    private static readonly byte[] Original = File.ReadAllBytes(Library);
    private readonly string file = Path.GetTempFileName();

    public void Dispose() => File.Delete(file);

    [Fact]
    public void Library_NamesItselfAndItsDependencies()
    {
        using var elf = ElfFile.Open(Library);
        Assert.Equal("libLibTorchSharp.so", elf.Soname);
        Assert.Equal(["libtorch.so", "libc10.so", "libtorch_cpu.so", "libstdc++.so.6"], elf.Needed.Take(4));
    }

    [Fact]
    public void Library_UsesOneSymbolOfTheNewestVersion()
    {
        using var elf = ElfFile.Open(Library);
        var need = elf.FindVersionNeed("GLIBCXX_3.4.32")!.Value;
        Assert.Equal(0, need.Flags);
        Assert.Equal(["_ZSt21ios_base_library_initv"], elf.SymbolsOfVersion(need.Index));
        Assert.Contains("_ZSt28__throw_bad_array_new_lengthv", elf.SymbolsOfVersion(elf.FindVersionNeed("GLIBCXX_3.4.29")!.Value.Index)!);
        Assert.Null(elf.FindVersionNeed("GLIBCXX_9.9"));
    }

    [Fact]
    public void File_ThatIsNotElf_IsNamed() => Refused("#!/bin/sh\necho this is long enough to hold a header, but it is not a library\n"u8, "does not begin with the ELF signature");

    [Fact]
    public void File_ThatIsEmpty_IsNamed() => Refused([], "has only 0 bytes");

    [Fact]
    public void File_OfAnotherArchitecture_IsNamed()
    {
        var bytes = Original.ToArray();
        bytes[18] = 183;
        Refused(bytes, "is built for arm64, but this process runs on x86-64");
        bytes[4] = 1;
        Refused(bytes, "not a 64-bit little-endian library");
    }

    [Theory]
    [InlineData(100)]
    [InlineData(100_000)]
    [InlineData(1_900_000)]
    public void File_ThatIsTruncated_IsNamed(int length) =>
        Refused(Original.AsSpan(0, length), length < 1000 ? "program header table outside the file" : $"bytes, it has {length}");

    [Fact]
    public void File_ThatIsMissing_IsNamed()
    {
        var e = Assert.Throws<NativeLibraryException>(() => ElfFile.Open("/nowhere/libx.so"));
        Assert.Contains("/nowhere/libx.so cannot be opened", e.Message);
    }

    /// <summary>Damage in the headers and tables: a value or a clear refusal, never anything else.</summary>
    [Property(MaxTest = 300)]
    public Property DamagedFile_IsReadOrRefused() =>
        Prop.ForAll(Gen.Choose(0, 0x41000).Zip(Gen.Choose(0, 255)).ListOf(12).ToArbitrary(), damage =>
        {
            // The headers are 1 KB of 260 KB; half of the damage goes there.
            var bytes = Original.AsSpan(0, 0x41000).ToArray().Concat(Original.AsSpan(0x41000).ToArray()).ToArray();
            var i = 0;
            foreach (var (offset, value) in damage)
                bytes[i++ % 2 == 0 ? offset % 1024 : offset] = (byte)value;
            File.WriteAllBytes(file, bytes);
            try
            {
                using var elf = ElfFile.Open(file);
                _ = elf.Soname.Length + elf.Needed.Count;
                if (elf.FindVersionNeed("GLIBCXX_3.4.32") is { } need)
                    _ = elf.SymbolsOfVersion(need.Index);
            }
            catch (NativeLibraryException e)
            {
                Assert.Contains(file, e.Message);
            }
        });

    private void Refused(ReadOnlySpan<byte> content, string because)
    {
        File.WriteAllBytes(file, content);
        var e = Assert.Throws<NativeLibraryException>(() => ElfFile.Open(file));
        Assert.Contains(file, e.Message);
        Assert.Contains(because, e.Message);
    }
}
