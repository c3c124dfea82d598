using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Generated.Layers;
using Generated.Models;
using Generated.Training;
using Generated.Verification;

namespace Models.Tests;

/// <summary>The declaration run operator by operator, the full pass, prefill and decode steps agree, whatever the sizes.</summary>
public sealed class ConsistencyTests
{
    /// <summary>A small LLaMA and a padded batch for it.</summary>
    public sealed record Case(LlamaConfig Config, int[][] Rows, int Prompt, ulong Seed);

    private static Gen<Case> Cases() =>
        from kvHeads in Gen.Elements(1, 2, 3)
        from groups in Gen.Elements(1, 2, 4)
        from headDim in Gen.Elements(2, 6, 8, 16)
        from hidden in Gen.Elements(8, 20, 48)
        from layers in Gen.Choose(1, 3)
        from ffn in Gen.Elements(1, 7, 40)
        from vocab in Gen.Elements(5, 33, 100)
        from tied in Gen.Elements(true, false)
        from bias in Gen.Elements(true, false)
        from scaling in Gen.Elements(null, RopeScaling.Linear(2), RopeScaling.Llama3(4, 1, 4, 8))
        from length in Gen.Choose(2, 12)
        from prompt in Gen.Choose(1, length - 1)
        from rows in Gen.Choose(1, 4)
        from pads in Gen.Choose(0, prompt - 1).ListOf(rows)
        from tokens in Gen.Choose(0, vocab - 1).ListOf(rows * length)
        from seed in Gen.Choose(0, 1000)
        select new Case(
            new LlamaConfig
            {
                Vocab = vocab,
                Hidden = hidden,
                Layers = layers,
                Heads = kvHeads * groups,
                KvHeads = kvHeads,
                HeadDim = headDim,
                Ffn = ffn,
                Tied = tied,
                AttentionBias = bias,
                Scaling = scaling,
            },
            [.. pads.Select((pad, row) => row == 0 ? 0 : pad).Select((pad, row) => tokens.Skip(row * length).Take(length - pad).ToArray())],
            prompt,
            (ulong)seed);

    [Property(MaxTest = 60)]
    public Property Passes_AgreeWithTheDeclaration() => Prop.ForAll(Cases().ToArbitrary(), test =>
    {
        using var model = Llama.Create(test.Config, new BuildOptions());
        WeightInitializer.Initialize(model, test.Seed, deviation: 0.3);
        var wrong = Consistency.Check(model, test.Rows, test.Prompt).Where(result => !result.IsOk).ToList();
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    });
}
