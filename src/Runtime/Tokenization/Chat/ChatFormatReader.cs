using System.Text;
using System.Text.Json;
using Generated.Tokenization.Families;

namespace Generated.Tokenization.Chat;

/// <summary>Finds a checkpoint's chat format in its files.</summary>
internal static class ChatFormatReader
{
    private const int Baichuan2VocabSize = 125_696;
    private static readonly string[] Roles = ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"];

    public static ChatFormat? Read(TokenizerFiles files, ITokenizer tokenizer)
    {
        if (FindTemplate(files) is { } template)
        {
            var variables = Roles.Select(role => (role, Token: files.RoleToken(role) ?? DefaultToken(role, tokenizer)))
                .Where(v => v.Token is not null).ToDictionary(v => v.role, v => v.Token!);
            return ChatFormat.FromTemplate(ChatTemplate.Parse(template), variables);
        }
        if (ChatGlm2Tokenizer.IsOf(files))
            return files.Has(ChatGlmTokenizer.FileName) ? ChatFormat.ChatGlm : ChatFormat.ChatGlm2;
        if (files.TokenizerClass == "QWenTokenizer" || files.ModelType == "qwen")
            return files.GenerationText("chat_format") == "raw" ? null : ChatFormat.ChatMl;
        // Only Baichuan's chat models say which tokens stand before messages.
        if (files.RoleIds("user_token_id") is [var user] && files.RoleIds("assistant_token_id") is [var assistant]
            && tokenizer.IdToToken(user) is { } userToken && tokenizer.IdToToken(assistant) is { } assistantToken)
            return ChatFormat.Baichuan(files.VocabSize == Baichuan2VocabSize ? 2 : 1, userToken, assistantToken);
        return null;
    }

    private static string? DefaultToken(string role, ITokenizer tokenizer) => role switch
    {
        "bos_token" when tokenizer.BosId is { } bos => tokenizer.IdToToken(bos),
        "eos_token" when tokenizer.EosIds.Count > 0 => tokenizer.IdToToken(tokenizer.EosIds[0]),
        _ => null,
    };

    private static string? FindTemplate(TokenizerFiles files)
    {
        if (files.Has("chat_template.jinja"))
            return Encoding.UTF8.GetString(files.ReadBytes("chat_template.jinja"));
        JsonElement? value = files.TokenizerValue("chat_template");
        if (value is null && files.Has("chat_template.json"))
        {
            var file = files.ReadJson("chat_template.json");
            value = file.ValueKind == JsonValueKind.Object && file.TryGetProperty("chat_template", out var template) ? template : null;
        }
        return value switch
        {
            { ValueKind: JsonValueKind.String } text => text.GetString(),
            { ValueKind: JsonValueKind.Array } list => FindDefault(list, files),
            _ => null,
        };
    }

    /// <summary>Several templates, each with a name: the one called "default".</summary>
    private static string FindDefault(JsonElement list, TokenizerFiles files)
    {
        foreach (var entry in list.EnumerateArray())
        {
            if (entry.ValueKind == JsonValueKind.Object && entry.TryGetProperty("name", out var name) && name.ValueKind == JsonValueKind.String && name.GetString() == "default"
                && entry.TryGetProperty("template", out var template) && template.ValueKind == JsonValueKind.String)
                return template.GetString()!;
        }
        throw new InvalidInputException($"{files.PathOf("tokenizer_config.json")}: chat_template is a list without a template named \"default\".");
    }
}
