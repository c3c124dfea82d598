using Generated;
using Generated.Quant.Analysis;
using Quant.Tests.Formats;

namespace Quant.Tests.Analysis;

public sealed class MeasurementLogTests : IDisposable
{
    private static readonly string Question = new('a', 64);

    private readonly Folders _folders = new();

    public MeasurementLogTests() => Directory.CreateDirectory(_folders["log"]);

    public void Dispose() => _folders.Dispose();

    [Fact]
    public void Open_WhatWasAdded_IsFoundInAnyOrder()
    {
        using (var log = MeasurementLog.Open(_folders["log"], Question))
        {
            log.Add("only", [], 5.25);
            log.Add("except", ["B@1", "A@0"], double.PositiveInfinity);
            Assert.Throws<GeneratedException>(() => MeasurementLog.Open(_folders["log"], Question));
        }

        using var again = MeasurementLog.Open(_folders["log"], Question);
        Assert.Equal(2, again.Count);
        Assert.Equal(5.25, again.Find("only", []));
        Assert.Equal(double.PositiveInfinity, again.Find("except", ["A@0", "B@1"]));
        Assert.Null(again.Find("except", ["A@0"]));
        Assert.Null(again.Find("only", ["A@0", "B@1"]));
        using var other = MeasurementLog.Open(_folders["log"], new string('b', 64));
        Assert.Equal(0, other.Count);
    }

    [Fact]
    public void Open_HalfALastLine_IsCutOff_ADamagedOneIsRefused()
    {
        string path;
        using (var log = MeasurementLog.Open(_folders["log"], Question))
        {
            log.Add("only", ["A@0"], 1);
            path = log.Path;
        }

        var whole = File.ReadAllText(path);
        File.WriteAllText(path, whole + whole[..9]);
        using (var log = MeasurementLog.Open(_folders["log"], Question))
        {
            Assert.Equal(1, log.Count);
            log.Add("only", ["B@0"], 2);
        }

        Assert.Equal(2, File.ReadAllLines(path).Length);
        File.WriteAllText(path, "{\"kind\":\"only\"}\n" + whole);
        var refused = Assert.Throws<InvalidInputException>(() => MeasurementLog.Open(_folders["log"], Question));
        Assert.Contains("line 1", refused.Message, StringComparison.Ordinal);
    }
}
