namespace Generated.Checkpoints;

/// <summary>
/// Element type of a stored tensor. The order is that of the safetensors format: files are laid out by descending value,
/// so that every tensor is aligned to its element size.
/// </summary>
public enum DType
{
    /// <summary>One byte per value, 0 or 1.</summary>
    Bool,

    /// <summary>Unsigned 8-bit integer.</summary>
    U8,

    /// <summary>Signed 8-bit integer.</summary>
    I8,

    /// <summary>8-bit float, 5 exponent bits, 2 mantissa bits.</summary>
    F8E5M2,

    /// <summary>8-bit float, 4 exponent bits, 3 mantissa bits, no infinity.</summary>
    F8E4M3,

    /// <summary>Signed 16-bit integer.</summary>
    I16,

    /// <summary>Unsigned 16-bit integer.</summary>
    U16,

    /// <summary>IEEE half precision.</summary>
    F16,

    /// <summary>bfloat16: the upper half of an <see cref="F32"/>.</summary>
    BF16,

    /// <summary>Signed 32-bit integer.</summary>
    I32,

    /// <summary>Unsigned 32-bit integer.</summary>
    U32,

    /// <summary>IEEE single precision.</summary>
    F32,

    /// <summary>IEEE double precision.</summary>
    F64,

    /// <summary>Signed 64-bit integer.</summary>
    I64,

    /// <summary>Unsigned 64-bit integer.</summary>
    U64,
}

/// <summary>Sizes and names of <see cref="DType"/>.</summary>
public static class DTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(this DType dtype) => dtype switch
    {
        DType.Bool or DType.U8 or DType.I8 or DType.F8E5M2 or DType.F8E4M3 => 1,
        DType.I16 or DType.U16 or DType.F16 or DType.BF16 => 2,
        DType.I32 or DType.U32 or DType.F32 => 4,
        DType.F64 or DType.I64 or DType.U64 => 8,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, null),
    };

    /// <summary>The name that a safetensors header uses, such as <c>BF16</c> or <c>F8_E4M3</c>.</summary>
    public static string SafetensorsName(this DType dtype) => dtype switch
    {
        DType.Bool => "BOOL",
        DType.F8E5M2 => "F8_E5M2",
        DType.F8E4M3 => "F8_E4M3",
        _ => dtype.ToString(),
    };

    /// <summary>Reads a safetensors dtype name; false for one that is unknown or has no whole-byte elements.</summary>
    public static bool TryParseSafetensors(string name, out DType dtype)
    {
        foreach (var candidate in Enum.GetValues<DType>())
        {
            if (candidate.SafetensorsName() == name)
            {
                dtype = candidate;
                return true;
            }
        }

        dtype = default;
        return false;
    }

    /// <summary>
    /// Numpy's type code, such as <c>f4</c>. numpy has no bfloat16; Paddle hands it over as <c>u2</c>, and so does this.
    /// </summary>
    /// <exception cref="InvalidInputException">numpy has no counterpart (8-bit floats).</exception>
    public static string NumpyCode(this DType dtype) => dtype switch
    {
        DType.Bool => "b1",
        DType.U8 => "u1",
        DType.I8 => "i1",
        DType.I16 => "i2",
        DType.U16 or DType.BF16 => "u2",
        DType.F16 => "f2",
        DType.I32 => "i4",
        DType.U32 => "u4",
        DType.F32 => "f4",
        DType.F64 => "f8",
        DType.I64 => "i8",
        DType.U64 => "u8",
        _ => throw new InvalidInputException(
            $"A Paddle checkpoint cannot hold dtype {dtype.SafetensorsName()}; write safetensors in the Hugging Face layout instead."),
    };

    /// <summary>Reads numpy's type code without the byte-order character.</summary>
    public static bool TryParseNumpy(string code, out DType dtype)
    {
        (var known, dtype) = code switch
        {
            "b1" or "?" => (true, DType.Bool),
            "u1" => (true, DType.U8),
            "i1" => (true, DType.I8),
            "i2" => (true, DType.I16),
            "u2" => (true, DType.U16),
            "f2" => (true, DType.F16),
            "i4" => (true, DType.I32),
            "u4" => (true, DType.U32),
            "f4" => (true, DType.F32),
            "f8" => (true, DType.F64),
            "i8" => (true, DType.I64),
            "u8" => (true, DType.U64),
            _ => (false, default(DType)),
        };
        return known;
    }
}
