namespace Generated.Tokenization;

/// <summary>Works out a checkpoint's special tokens from the files beside the tokenizer.</summary>
internal static class SpecialTokenReader
{
    /// <summary>The special tokens of a tokenizer.</summary>
    /// <param name="files">The checkpoint's JSON files.</param>
    /// <param name="model">Tokens that the tokenizer's own file marks as special.</param>
    /// <param name="idOf">Id of a token of the tokenizer's own vocabulary, or null.</param>
    /// <param name="defaults">Roles that hold where no file says anything.</param>
    public static SpecialTokens Read(TokenizerFiles files, IEnumerable<AddedToken> model, Func<string, int?> idOf, Roles defaults)
    {
        var added = new Dictionary<string, AddedToken>();
        foreach (var token in model.Concat(files.AddedTokens))
            added[token.Content] = token;
        string[] roles = ["bos_token", "eos_token", "pad_token", "unk_token", "cls_token", "sep_token", "mask_token"];
        foreach (string content in roles.Select(files.RoleToken).OfType<string>().Concat(files.AdditionalSpecialTokens))
        {
            if (!added.ContainsKey(content) && idOf(content) is { } id)
                added[content] = new AddedToken(id, content);
        }
        int? Find(string? content) => content is null ? null : added.TryGetValue(content, out var token) ? token.Id : idOf(content);
        int? Role(string name, string? fallback)
            => Find(files.RoleToken(name)) ?? files.RoleIds(name + "_id").Select(id => (int?)id).FirstOrDefault() ?? Find(fallback);

        int? bos = Role("bos_token", defaults.Bos);
        int? eos = Role("eos_token", defaults.Eos);
        var ends = files.RoleIds("eos_token_id").Concat(eos is { } end ? [end] : []).Distinct().ToArray();
        return new SpecialTokens
        {
            Added = [.. added.Values],
            BosId = bos,
            EosIds = ends,
            PadId = Role("pad_token", defaults.Pad),
            Prefix = (files.Flag("add_bos_token") ?? defaults.AddBos) && bos is { } begin ? [begin] : [],
            Suffix = (files.Flag("add_eos_token") ?? false) && eos is { } last ? [last] : [],
        };
    }

    /// <summary>How a family writes its special tokens where no file says so.</summary>
    internal sealed record Roles(string? Bos, string? Eos, string? Pad, bool AddBos);
}
