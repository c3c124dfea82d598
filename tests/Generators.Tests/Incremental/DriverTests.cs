using Generators.Tests.Declarations;

namespace Generators.Tests.Incremental;

public sealed class DriverTests
{
    [Fact]
    public void Declaration_CompilesWithoutDiagnostics()
    {
        var compiled = Compiled.From(Declared.Llama);

        Assert.Empty(compiled.Diagnostics);
        Assert.Empty(compiled.Errors);
    }
}
