using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Layers;

/// <summary>
/// libtorch's own products of low-bit weights, which TorchSharp has no methods for, called through TorchScript. Some devices and versions lack
/// some of them: each is tried once on a small example.
/// </summary>
internal sealed class LowBitOps
{
    private static readonly Lock Gate = new();
    private static readonly Dictionary<string, LowBitOps> Known = [];

    private readonly jit.CompilationUnit? _int8;
    private readonly jit.CompilationUnit? _packedInt8;
    private readonly jit.CompilationUnit? _packedInt4;

    private LowBitOps(Device device)
    {
        var isCpu = device.type == DeviceType.CPU;
        _int8 = Usable(
            """
            def multiply(x, w):
                return torch._int_mm(x, w)
            """, unit => Int8(unit, zeros([32, 32], ScalarType.Int8, device), zeros([32, 32], ScalarType.Int8, device)));
        _packedInt8 = Usable(
            """
            def multiply(x, w, scales):
                return torch._weight_int8pack_mm(x, w, scales)
            """, unit => PackedInt8(unit, zeros([1, 64], ScalarType.BFloat16, device), zeros([64, 64], ScalarType.Int8, device), ones([64], ScalarType.BFloat16, device)));
        // The CPU's own form takes one code a byte where CUDA's takes two; tests compare the meaning of scales and zero points on it.
        var suffix = isCpu ? "_for_cpu" : "";
        _packedInt4 = Usable(
            $"""
            def pack(w, tiles: int):
                return torch._convert_weight_to_int4pack{suffix}(w, tiles)
            def multiply(x, w, group: int, scales):
                return torch._weight_int4pack_mm{suffix}(x, w, group, scales)
            """, unit =>
            {
                using var packed = PackInt4(unit, zeros([64, isCpu ? 128 : 64], isCpu ? ScalarType.Int32 : ScalarType.Byte, device), 8);
                return PackedInt4(unit, zeros([1, 128], ScalarType.BFloat16, device), packed, 128, zeros([1, 64, 2], ScalarType.BFloat16, device));
            });
    }

    /// <summary>Whether there is int8 × int8 → int32.</summary>
    public bool HasInt8 => _int8 is not null;

    /// <summary>Whether there is a product of 8-bit weights with floats.</summary>
    public bool HasPackedInt8 => _packedInt8 is not null;

    /// <summary>Whether there is a product of 4-bit weights with bfloat16.</summary>
    public bool HasPackedInt4 => _packedInt4 is not null;

    /// <summary>What a device has.</summary>
    public static LowBitOps On(Device device)
    {
        lock (Gate)
        {
            var key = device.type.ToString();
            if (!Known.TryGetValue(key, out var ops))
            {
                using var noGrad = no_grad();
                Known.Add(key, ops = new LowBitOps(device));
            }

            return ops;
        }
    }

    /// <summary>x [rows, in] int8 · w [in, out] int8 as exact int32; on CUDA there are more than 16 rows.</summary>
    public Tensor Int8(Tensor x, Tensor w) => Int8(_int8!, x, w);

    /// <summary>x [rows, in] · (w [out, in] int8 · scales [out])ᵀ; x and scales of one type.</summary>
    public Tensor PackedInt8(Tensor x, Tensor w, Tensor scales) => PackedInt8(_packedInt8!, x, w, scales);

    /// <summary>Packs 4-bit codes: on CUDA [out, in / 2] bytes, the even column in the high half; on the CPU [out, in] int32.</summary>
    public Tensor PackInt4(Tensor codes, int tiles) => PackInt4(_packedInt4!, codes, tiles);

    /// <summary>x [rows, in] bfloat16 · wᵀ with w = (code − 8) · scale + zero; scales and zeros are [groups, out, 2] bfloat16.</summary>
    public Tensor PackedInt4(Tensor x, Tensor packed, int group, Tensor scales) => PackedInt4(_packedInt4!, x, packed, group, scales);

    private static Tensor Int8(jit.CompilationUnit unit, Tensor x, Tensor w) => (Tensor)unit.invoke("multiply", x, w);

    private static Tensor PackedInt8(jit.CompilationUnit unit, Tensor x, Tensor w, Tensor scales) => (Tensor)unit.invoke("multiply", x, w, scales);

    private static Tensor PackInt4(jit.CompilationUnit unit, Tensor codes, int tiles) => (Tensor)unit.invoke("pack", codes, tiles);

    private static Tensor PackedInt4(jit.CompilationUnit unit, Tensor x, Tensor packed, int group, Tensor scales) => (Tensor)unit.invoke("multiply", x, packed, group, scales);

    /// <summary>The compiled operators, or null where this libtorch or device lacks them.</summary>
    private static jit.CompilationUnit? Usable(string source, Func<jit.CompilationUnit, Tensor> example)
    {
        jit.CompilationUnit? unit = null;
        try
        {
            using var scope = NewDisposeScope();
            unit = jit.compile(source + "\n");
            example(unit).Dispose();
            return unit;
        }
        catch (System.Runtime.InteropServices.ExternalException)
        {
            unit?.Dispose();
            return null;
        }
    }
}
