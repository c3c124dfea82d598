using System.Text;
using Generated.Cli;

Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
using var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { AutoFlush = false };
// Machines read JSON and redirected output; nobody would see progress.
var isInteractive = !args.Contains("--json") && !Console.IsErrorRedirected && !Console.IsOutputRedirected;
var code = await CommandLine.RunAsync(args, new Terminal(output, Console.Error, isInteractive));
try
{
    await output.FlushAsync();
}
catch (IOException)
{
    // Whoever read our output (head, less) has gone.
}

return code;
