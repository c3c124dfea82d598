using Generated.Tokenization.Bpe;
using Generated.Tokenization.ByteLevel;
using Generated.Tokenization.Splitting;

namespace Generated.Tokenization.Families;

/// <summary>Qwen (first generation): a tiktoken file, NFC, and 208 special tokens after it.</summary>
/// <remarks>Original: tokenization_qwen.py of Qwen/Qwen-7B. Special tokens named in text are text, unless special tokens are asked for.</remarks>
internal static class QwenTokenizer
{
    public static ITokenizer Load(TokenizerFiles files, string fileName)
    {
        byte[][] tokens = TiktokenFile.Parse(files.ReadBytes(fileName), files.PathOf(fileName));
        var vocabulary = new ByteLevelVocabulary(tokens);
        if (vocabulary.MissingBytes.Any())
            throw new InvalidInputException($"{files.PathOf(fileName)} is damaged: it has no token for the byte 0x{vocabulary.MissingBytes.First():X2}.");
        string[] names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", .. Enumerable.Range(0, 205).Select(i => $"<|extra_{i}|>")];
        var added = names.Select((name, i) => new AddedToken(tokens.Length + i, name));
        var special = SpecialTokenReader.Read(files, added, _ => null, new(null, names[0], null, AddBos: false));
        // A token's rank is its id; the lowest merges first.
        var merger = new PieceMerger(vocabulary.Ids.Select(token => (token.Key, -(float)token.Value, token.Value)), files.PathOf(fileName));
        return new ByteLevelTokenizer(
            vocabulary, merger, new Cl100kSplitter(longestNumber: 1),
            special with { Prefix = [], Suffix = [] }, new ByteLevelOptions { Nfc = true, WholeWordFirst = true, RecognisesSpecial = true });
    }
}
