using System.Text.RegularExpressions;

namespace Cli.Tests;

public sealed class CommandLineTests
{
    [Fact]
    public async Task NoCommand_IsWrongUsage() => (await Run.Of()).Refused(2, "--help");

    [Fact]
    public async Task UnknownOption_IsWrongUsage_AndNamed() => (await Run.Of("tokenize", "x", "--bogus")).Refused(2, "--bogus", "generated tokenize --help");

    [Theory]
    [InlineData("convert a b --to onnx", "'onnx'", "'hf', 'paddle'", "generated convert --help")]
    [InlineData("convert a b --format ggml", "'ggml'", "'safetensors', 'pdparams', 'gptq', 'awq'")]
    [InlineData("bench m --activations row", "'row'", "'tensor', 'token'", "generated bench --help")]
    [InlineData("quantize a b", "--recipe", "generated quantize --help")]
    [InlineData("quantize a b --recipe w8 --window many", "'many'", "--window")]
    [InlineData("evaluate a b c --text t", "'b'")]
    [InlineData("inspct llama-7b", "'inspct'")]
    [InlineData("bench gpt2 --prompt 0", "--prompt is 0")]
    [InlineData("bench gpt2 --tokens 0", "--tokens is 0")]
    [InlineData("bench gpt2 --batch -1", "--batch is -1")]
    [InlineData("bench gpt2 --rounds 0", "--rounds is 0")]
    [InlineData("bench gpt2 --threads 0", "--threads is 0")]
    [InlineData("bench gpt2 --activations token", "--bits")]
    [InlineData("verify m --golden g --atol nan", "--atol is NaN")]
    [InlineData("verify m --golden g --rtol -1", "--rtol is -1")]
    [InlineData("generate m --prompt x --system y", "--chat")]
    [InlineData("pretrain gpt2 out --tokenizer t --text x --log-every -1", "--log-every is -1")]
    [InlineData("evaluate m --text .", "is a folder")]
    [InlineData("inspect gpt3", "'gpt3'", "gpt2")]
    public async Task WrongUsage_IsOneSentence(string line, params string[] parts) => (await Run.Of(line.Split(' '))).Refused(2, parts);

    [Theory]
    [InlineData("generate", "", "--ids", "1")]
    [InlineData("convert", "", "x")]
    [InlineData("convert", "x", "")]
    [InlineData("train-tokenizer", "x", "")]
    [InlineData("inspect", "")]
    public async Task EmptyArgument_IsWrongUsage(params string[] line) => (await Run.Of(line)).Refused(2, "is empty", $"generated {line[0]} --help");

    /// <summary>Whatever option a command limits to some values, the refusal of another one is one sentence that lists them.</summary>
    [Fact]
    public async Task EveryOptionOfSomeValues_RefusesOthersInOneSentence()
    {
        var commands = (await Run.Of("--help")).Ok().Output.Split("Commands:")[1].Split('\n').Select(l => l.Trim().Split(' ')[0]).Where(n => n.Length > 0).ToList();
        Assert.Contains("quantize", commands);
        var refused = 0;
        foreach (var command in commands)
        {
            foreach (Match option in Regex.Matches((await Run.Of(command, "--help")).Output, @"^\s+(--[\w-]+) <\w+(\|\w+)+>", RegexOptions.Multiline))
            {
                var run = await Run.Of(command, "x", "y", option.Groups[1].Value, "none-of-these");
                if (run.Error.Contains("none-of-these", StringComparison.Ordinal))
                    refused++;
                run.Refused(2);
            }
        }

        Assert.True(refused >= 3, $"{refused} options were refused");
    }

    /// <summary>What scripts may count on: every command takes --json, every one that computes says where, and in what type unless that is fixed.</summary>
    [Fact]
    public async Task EveryCommand_TakesTheCommonOptions()
    {
        string[] withoutModel = ["inspect", "tokenize", "train-tokenizer"], inFloat32 = ["quantize", "analyze"];
        var commands = (await Run.Of("--help")).Ok().Output.Split("Commands:")[1].Split('\n').Select(l => l.Trim().Split(' ')[0]).Where(n => n.Length > 0).ToList();
        Assert.True(commands.Count >= 12);
        foreach (var command in commands)
        {
            var help = (await Run.Of(command, "--help")).Ok().Output;
            Assert.Contains("--json", help);
            Assert.True(help.Contains("--device") != withoutModel.Contains(command), command);
            Assert.True(help.Contains("--dtype") != (withoutModel.Contains(command) || inFloat32.Contains(command)), command);
        }
    }

    [Fact]
    public async Task Help_HasExamples()
    {
        var run = (await Run.Of("tokenize", "--help")).Ok();
        Assert.Contains("Examples:", run.Output);
        Assert.Contains("generated tokenize", run.Output);
    }
}
