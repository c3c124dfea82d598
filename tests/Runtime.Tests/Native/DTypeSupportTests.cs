using System.Runtime.InteropServices;
using Generated.Layers;
using Generated.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Runtime.Tests.Native;

/// <summary>Which types run where, by what a device says of itself and by what libtorch says when asked to compute.</summary>
public sealed class DTypeSupportTests
{
    [Theory]
    [InlineData("7.5", ScalarType.BFloat16, "compute capability 7.5", "bfloat16, which takes 8.0", "use float32 or float16.")]
    [InlineData("5.2", ScalarType.BFloat16, "compute capability 5.2", "bfloat16, which takes 8.0", "use float32.")]
    [InlineData("5.2", ScalarType.Float16, "compute capability 5.2", "float16, which takes 5.3", "use float32.")]
    public void OldGpu_IsRefusedByNameAndCapability(string capability, ScalarType type, params string[] parts)
    {
        var problem = DTypeSupport.Problem(type, new("Some GPU", Version.Parse(capability)), _ => Assert.Fail("computes in a type that it lacks"));
        Assert.StartsWith("Some GPU (", problem);
        Assert.All(parts, part => Assert.Contains(part, problem));
    }

    [Theory]
    [InlineData("8.0", ScalarType.BFloat16)]
    [InlineData("9.0", ScalarType.BFloat16)]
    [InlineData("10.0", ScalarType.BFloat16)]
    [InlineData("5.3", ScalarType.Float16)]
    [InlineData("3.5", ScalarType.Float32)]
    public void NewerGpu_IsTaken(string capability, ScalarType type) =>
        Assert.Null(DTypeSupport.Problem(type, new("Some GPU", Version.Parse(capability)), _ => { }));

    [Fact]
    public void OperatorThatLibtorchLacks_IsQuotedWithWhatWorks()
    {
        var problem = DTypeSupport.Problem(ScalarType.Float16, new("The CPU", null), type =>
        {
            if (type == ScalarType.Float16)
                throw new ExternalException("\"addmm_impl_cpu_\" not implemented for 'Half'\nException raised from addmm_impl_cpu_ at LinearAlgebra.cpp:1430");
        });
        Assert.Equal("The CPU does not compute in float16 with this libtorch, which says '\"addmm_impl_cpu_\" not implemented for 'Half'': use float32 or bfloat16.", problem);
    }

    [Fact]
    public void OtherFailures_AreNotHidden() =>
        Assert.Throws<ExternalException>(() => DTypeSupport.Problem(ScalarType.Float16, new("Some GPU", new Version(9, 0)), _ => throw new ExternalException("CUDA error: an illegal memory access was encountered")));

    [Theory]
    [InlineData(ScalarType.Int32)]
    [InlineData(ScalarType.Bool)]
    [InlineData(ScalarType.ComplexFloat32)]
    public void WhatThisLibtorchLacks_IsSaidInOneSentence(ScalarType type)
    {
        var problem = DTypeSupport.Problem(type, new("The CPU", null), type => DTypeSupport.Compute(type, CPU));
        Assert.Contains("not implemented for", problem);
        Assert.DoesNotContain('\n', problem!);
        Assert.EndsWith("use float32, bfloat16 or float16.", problem);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.Float64)]
    public void ThisCpu_RunsEveryTypeOfPasses(ScalarType type) => DTypeSupport.Require(type, CPU);

    [Theory]
    [InlineData(ScalarType.Int8, "int8")]
    [InlineData(ScalarType.ComplexFloat64, "complexfloat64")]
    public void TypeOfNoPass_IsRefusedWhereAModelIsBuilt(ScalarType type, string name) =>
        Assert.Equal($"No pass runs in {name}: use float32, bfloat16 or float16.", Assert.Throws<InvalidInputException>(() => new BuildContext(new BuildOptions { Dtype = type })).Message);
}
