using Generators.Tests.Declarations;

namespace Generators.Tests.Incremental;

public sealed class DriverTests
{
    [Fact]
    public void Declaration_CompilesWithoutDiagnostics()
    {
        var compiled = Compiled.From(Declared.Llama);

        Assert.DoesNotContain(compiled.Diagnostics, d => d.Severity >= Microsoft.CodeAnalysis.DiagnosticSeverity.Warning);
        Assert.Empty(compiled.Errors);
    }
}
