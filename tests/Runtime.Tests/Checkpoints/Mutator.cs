using System.Buffers.Binary;

namespace Runtime.Tests.Checkpoints;

/// <summary>Damages bytes the way files are damaged and attackers try: bits, lengths, numbers, cuts, repeats, pieces of another file.</summary>
internal static class Mutator
{
    private static readonly long[] Numbers =
        [0, 1, -1, 7, 8, 127, 128, 255, 256, 65535, 65536, int.MaxValue, uint.MaxValue, int.MinValue, long.MaxValue, long.MinValue, long.MaxValue - 8, 1L << 40];

    public static byte[] Mutate(Random random, byte[] original, byte[] other)
    {
        var bytes = original.ToList();
        for (var count = random.Next(1, 4); count > 0 && bytes.Count > 0; count--)
            Step(random, bytes, other);
        return [.. bytes];
    }

    private static void Step(Random random, List<byte> bytes, byte[] other)
    {
        var at = random.Next(bytes.Count);
        var length = Math.Min(random.Next(1, 17), bytes.Count - at);
        switch (random.Next(9))
        {
            case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
            case 1: bytes[at] = (byte)random.Next(256); break;
            case 2: Number(random, bytes, at); break;
            case 3: Digits(random, bytes, at); break;
            case 4: bytes.RemoveRange(at, length); break;
            case 5: bytes.InsertRange(random.Next(bytes.Count), bytes.GetRange(at, length)); break;
            case 6: bytes.RemoveRange(at, bytes.Count - at); break;
            case 7:
                var from = random.Next(other.Length);
                bytes.InsertRange(at, other.AsSpan(from, Math.Min(random.Next(1, 64), other.Length - from)).ToArray());
                break;
            default: bytes[at] = (byte)(random.Next(2) == 0 ? 0 : 255); break;
        }
    }

    private static void Number(Random random, List<byte> bytes, int at)
    {
        var number = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(number, Numbers[random.Next(Numbers.Length)]);
        var size = 1 << random.Next(4);
        for (var i = 0; i < size && at + i < bytes.Count; i++)
            bytes[at + i] = number[i];
    }

    /// <summary>Replaces the next number in text by another one.</summary>
    private static void Digits(Random random, List<byte> bytes, int at)
    {
        while (at < bytes.Count && !char.IsAsciiDigit((char)bytes[at]))
            at++;
        var end = at;
        while (end < bytes.Count && char.IsAsciiDigit((char)bytes[end]))
            end++;
        bytes.RemoveRange(at, end - at);
        var number = random.Next(3) == 0 ? random.Next(100) : Numbers[random.Next(Numbers.Length)];
        bytes.InsertRange(at, number.ToString(System.Globalization.CultureInfo.InvariantCulture).Select(c => (byte)c));
    }
}
