using System.Runtime.InteropServices;
using System.Text;
using Generated.Native;

namespace Generated.Cuda;

/// <summary>NVIDIA's run-time compiler, which every CUDA build of libtorch ships; bound by hand because its file name carries a version or a hash.</summary>
internal static unsafe class Nvrtc
{
    private static readonly string[] Names = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];
    private static readonly Lazy<nint> Library = new(Find);

    /// <summary>Whether the compiler can be loaded.</summary>
    public static bool IsAvailable => Library.Value != 0;

    /// <summary>Compiles CUDA C++ to machine code.</summary>
    /// <exception cref="GeneratedException">The source does not compile; the message has the compiler's log.</exception>
    public static byte[] Compile(string source, string name, IReadOnlyList<string> options)
    {
        nint program;
        fixed (byte* text = Utf8(source), title = Utf8(name))
        {
            var create = (delegate* unmanaged[Cdecl]<nint*, byte*, byte*, int, byte**, byte**, int>)Export("nvrtcCreateProgram");
            Check(create(&program, text, title, 0, null, null), "nvrtcCreateProgram");
        }

        var pinned = options.Select(o => Marshal.StringToCoTaskMemUTF8(o)).ToArray();
        try
        {
            fixed (nint* arguments = pinned)
            {
                var compile = (delegate* unmanaged[Cdecl]<nint, int, nint*, int>)Export("nvrtcCompileProgram");
                if (compile(program, pinned.Length, arguments) != 0)
                    throw new GeneratedException($"The CUDA kernels {name} do not compile for {string.Join(' ', options)}: {Log(program)}");
            }

            return Image(program);
        }
        finally
        {
            foreach (var option in pinned) Marshal.FreeCoTaskMem(option);
            ((delegate* unmanaged[Cdecl]<nint*, int>)Export("nvrtcDestroyProgram"))(&program);
        }
    }

    private static byte[] Image(nint program)
    {
        nuint size;
        Check(((delegate* unmanaged[Cdecl]<nint, nuint*, int>)Export("nvrtcGetCUBINSize"))(program, &size), "nvrtcGetCUBINSize");
        var image = new byte[checked((int)size)];
        fixed (byte* data = image)
            Check(((delegate* unmanaged[Cdecl]<nint, byte*, int>)Export("nvrtcGetCUBIN"))(program, data), "nvrtcGetCUBIN");
        return image;
    }

    private static string Log(nint program)
    {
        nuint size;
        if (((delegate* unmanaged[Cdecl]<nint, nuint*, int>)Export("nvrtcGetProgramLogSize"))(program, &size) != 0) return "(no log)";
        var log = new byte[checked((int)size)];
        fixed (byte* data = log) ((delegate* unmanaged[Cdecl]<nint, byte*, int>)Export("nvrtcGetProgramLog"))(program, data);
        return Encoding.UTF8.GetString(log).TrimEnd('\0', '\n');
    }

    private static nint Find()
    {
        // Beside the libtorch in use it may carry a hash in its name (TorchSharp's CUDA packages).
        foreach (var pattern in (string[])["libnvrtc.so.*", "libnvrtc-????????.so*"])
            if (LibTorch.FindLibrary(pattern) is { } file && NativeLibrary.TryLoad(file, out var handle)) return handle;
        foreach (var name in Names)
            if (NativeLibrary.TryLoad(name, out var handle)) return handle;
        return 0;
    }

    private static nint Export(string name) => NativeLibrary.GetExport(Library.Value, name);

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text + '\0');

    private static void Check(int result, string call)
    {
        if (result != 0) throw new GeneratedException($"The CUDA compiler call {call} failed with code {result}.");
    }
}
