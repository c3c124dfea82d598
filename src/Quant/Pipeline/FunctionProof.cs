using Generated.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>
/// Proves on sample tokens that a unit still computes what it did. Per token, the error of what it adds to its input may be at most
/// <see cref="Tolerance"/> of that, plus <see cref="Rounding"/> of the token's value: what float32 loses in any order of operations.
/// </summary>
internal sealed class FunctionProof : IDisposable
{
    /// <summary>Largest error relative to what the unit adds.</summary>
    public const double Tolerance = 1e-3;

    /// <summary>Error that is allowed relative to the whole value.</summary>
    public const double Rounding = 1e-5;

    private readonly Unit _unit;
    private readonly Tensor _input;
    private readonly SequenceInputs _inputs;
    private readonly Tensor _output;

    /// <param name="unit">The unit, unchanged.</param>
    /// <param name="input">One row without padding: ids, or [1, T, width]; the caller's.</param>
    /// <param name="inputs">Positions and mask of that row.</param>
    public FunctionProof(Unit unit, Tensor input, SequenceInputs inputs)
    {
        (_unit, _input, _inputs) = (unit, input.alias(), inputs);
        _output = Run();
    }

    /// <summary>Compares the changed unit with what it was.</summary>
    /// <param name="what">What was done last.</param>
    /// <exception cref="GeneratedException">It computes something else; the weights on disk are untouched.</exception>
    public void Check(string what)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var error = (Run() - _output).norm(-1);
        var whole = _output.norm(-1);
        var added = _output.shape.SequenceEqual(_input.shape) ? (_output - _input).norm(-1) : whole;
        var excess = (error / (added * Tolerance + whole * Rounding).clamp_min(float.Epsilon)).nan_to_num(nan: double.PositiveInfinity).max().item<float>();
        if (!(excess <= 1))
            throw new GeneratedException(FormattableString.Invariant(
                $"{_unit.Title} computes something else after {what}: its output is off by {excess * Tolerance:0.##e+0} of what it adds, where {Tolerance} is allowed; nothing was written. Leave the method out for this layer, and report it: the structure or float32's range is at fault."));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _output.Dispose();
        _input.Dispose();
    }

    private Tensor Run()
    {
        using var noGrad = no_grad();
        using var pass = new PassContext(_inputs);
        return _unit.Run(_input, pass);
    }
}
