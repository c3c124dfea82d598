using System.Text;

namespace Generated.Tokenization.SentencePiece;

/// <summary>Kinds of pieces, numbered as in sentencepiece_model.proto.</summary>
internal enum PieceKind : byte
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>The contents of a sentencepiece model file (<c>tokenizer.model</c>, <c>ice_text.model</c>, ...).</summary>
/// <remarks>Field numbers and defaults: sentencepiece's src/sentencepiece_model.proto.</remarks>
internal sealed class SentencePieceModel
{
    private SentencePieceModel(string name) => Name = name;

    /// <summary>File name, for messages.</summary>
    public string Name { get; }

    public List<byte[]> Pieces { get; } = [];
    public List<float> Scores { get; } = [];
    public List<PieceKind> Kinds { get; } = [];

    /// <summary>True for BPE, false for unigram (the only two kinds of model that language models use).</summary>
    public bool IsBpe { get; private set; }

    public bool ByteFallback { get; private set; }
    public bool AddDummyPrefix { get; private set; } = true;
    public bool RemoveExtraWhitespaces { get; private set; } = true;
    public bool EscapeWhitespaces { get; private set; } = true;
    public bool WhitespaceAsSuffix { get; private set; }
    public byte[] CharsMap { get; private set; } = [];
    public byte[] UnknownSurface { get; private set; } = " \u2047 "u8.ToArray();

    public int UnknownId { get; private set; } = -1;

    /// <summary>Ids of the control pieces <c>&lt;s&gt;</c>, <c>&lt;/s&gt;</c> and <c>&lt;pad&gt;</c> under the names that the trainer spec gives them, or -1.</summary>
    public int BosId { get; private set; } = -1;

    /// <inheritdoc cref="BosId"/>
    public int EosId { get; private set; } = -1;

    /// <inheritdoc cref="BosId"/>
    public int PadId { get; private set; } = -1;

    /// <summary>Byte value of each byte piece by id, -1 for others.</summary>
    public short[] ByteOfId { get; private set; } = [];

    /// <summary>Id of the piece of each byte value; empty without byte fallback.</summary>
    public int[] IdOfByte { get; private set; } = [];

    /// <summary>Parses a model.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="name">Its name, for messages.</param>
    /// <exception cref="InvalidInputException">The file is no usable sentencepiece model.</exception>
    public static SentencePieceModel Parse(ReadOnlySpan<byte> file, string name)
    {
        var model = new SentencePieceModel(name);
        string bos = "<s>", eos = "</s>", pad = "<pad>";
        int kind = 1;
        try
        {
            var reader = new ProtobufReader(file);
            while (reader.Next())
            {
                switch (reader.Field)
                {
                    case 1: model.ReadPiece(reader.Bytes); break;
                    case 2: model.ReadTrainerSpec(reader.Bytes, ref kind, ref bos, ref eos, ref pad); break;
                    case 3: model.ReadNormalizerSpec(reader.Bytes); break;
                }
            }
        }
        catch (FormatException damaged)
        {
            throw new InvalidInputException($"{name} is not a sentencepiece model or is damaged: {damaged.Message}; download it again.", damaged);
        }
        if (model.Pieces.Count == 0)
            throw new InvalidInputException($"{name} is not a sentencepiece model: it has no pieces.");
        if (kind is not (1 or 2))
            throw new InvalidInputException($"{name} is a sentencepiece model of type {kind}; only unigram (1) and BPE (2) are supported.");
        if (model.WhitespaceAsSuffix)
            throw new InvalidInputException($"{name} treats whitespace as a suffix (treat_whitespace_as_suffix), which is not supported.");
        model.IsBpe = kind == 2;
        model.Check();
        model.BosId = model.FindControl(bos);
        model.EosId = model.FindControl(eos);
        model.PadId = model.FindControl(pad);
        return model;
    }

    private void ReadPiece(ReadOnlySpan<byte> message)
    {
        byte[] piece = [];
        float score = 0;
        int kind = 1;
        var reader = new ProtobufReader(message);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: piece = reader.Bytes.ToArray(); break;
                case 2: score = reader.Float; break;
                case 3: kind = reader.Int; break;
            }
        }
        if (kind is < 1 or > 6)
            throw new FormatException($"piece {Pieces.Count} has type {kind}");
        if (piece.Length == 0)
            throw new FormatException($"piece {Pieces.Count} is empty");
        if (!float.IsFinite(score))
            throw new FormatException($"piece {Pieces.Count} has the score {score}");
        Pieces.Add(piece);
        Scores.Add(score);
        Kinds.Add((PieceKind)kind);
    }

    private void ReadTrainerSpec(ReadOnlySpan<byte> message, ref int kind, ref string bos, ref string eos, ref string pad)
    {
        var reader = new ProtobufReader(message);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 3: kind = reader.Int; break;
                case 24: WhitespaceAsSuffix = reader.Bool; break;
                case 35: ByteFallback = reader.Bool; break;
                case 44: UnknownSurface = reader.Bytes.ToArray(); break;
                case 46: bos = Encoding.UTF8.GetString(reader.Bytes); break;
                case 47: eos = Encoding.UTF8.GetString(reader.Bytes); break;
                case 48: pad = Encoding.UTF8.GetString(reader.Bytes); break;
            }
        }
    }

    private void ReadNormalizerSpec(ReadOnlySpan<byte> message)
    {
        var reader = new ProtobufReader(message);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 2: CharsMap = reader.Bytes.ToArray(); break;
                case 3: AddDummyPrefix = reader.Bool; break;
                case 4: RemoveExtraWhitespaces = reader.Bool; break;
                case 5: EscapeWhitespaces = reader.Bool; break;
            }
        }
    }

    private void Check()
    {
        ByteOfId = new short[Pieces.Count];
        Array.Fill(ByteOfId, (short)-1);
        var idOfByte = new int[256];
        Array.Fill(idOfByte, -1);
        for (int id = 0; id < Pieces.Count; id++)
        {
            if (Kinds[id] == PieceKind.Unknown)
            {
                if (UnknownId >= 0)
                    throw new InvalidInputException($"{Name} is damaged: it has two unknown pieces, {UnknownId} and {id}.");
                UnknownId = id;
            }
            else if (Kinds[id] == PieceKind.Byte)
            {
                int value = ByteValue(Pieces[id]);
                if (value < 0)
                    throw new InvalidInputException($"{Name} is damaged: piece {id} is a byte piece that is not written <0xHH>.");
                ByteOfId[id] = (short)value;
                idOfByte[value] = id;
            }
            else if (Kinds[id] == PieceKind.Unused && IsBpe)
            {
                throw new InvalidInputException($"{Name}: piece {id} is marked unused, which is not supported in BPE models.");
            }
        }
        if (UnknownId < 0)
            throw new InvalidInputException($"{Name} is damaged: it has no unknown piece.");
        if (ByteFallback)
        {
            int missing = Array.IndexOf(idOfByte, -1);
            if (missing >= 0)
                throw new InvalidInputException($"{Name} is damaged: it asks for byte fallback but has no piece <0x{missing:X2}>.");
            IdOfByte = idOfByte;
        }
    }

    private int FindControl(string piece)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(piece);
        for (int id = 0; id < Pieces.Count; id++)
        {
            if (Kinds[id] == PieceKind.Control && Pieces[id].AsSpan().SequenceEqual(bytes))
                return id;
        }
        return -1;
    }

    /// <summary>Value of a piece written <c>&lt;0xHH&gt;</c>, or -1.</summary>
    internal static int ByteValue(ReadOnlySpan<byte> piece)
        => piece.Length == 6 && piece.StartsWith("<0x"u8) && piece[5] == '>'
            && char.IsAsciiHexDigit((char)piece[3]) && char.IsAsciiHexDigit((char)piece[4])
            ? (Hex(piece[3]) << 4) | Hex(piece[4])
            : -1;

    private static int Hex(byte digit) => digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
}
