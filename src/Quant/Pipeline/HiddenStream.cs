using Generated.Passes;
using Generated.Quant.Calibration;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Pipeline;

/// <summary>Some tokens on their way through the units: at each one, what it runs on, and where its output goes.</summary>
/// <param name="folder">For the hidden states.</param>
/// <param name="name">Tells streams apart.</param>
/// <param name="set">The tokens.</param>
/// <param name="scheme">The model's input scheme.</param>
internal sealed class HiddenStream(string folder, string name, CalibrationSet set, IInputScheme scheme)
{
    /// <summary>Whether what a unit runs on is there.</summary>
    public bool CanBegin(int unit)
    {
        if (unit == 0)
            return true;
        using var spool = HiddenSpool.Open(PathOf(unit), set);
        return spool is not null;
    }

    /// <summary>Opens the stream at a unit.</summary>
    /// <exception cref="GeneratedException">What the unit runs on is not there.</exception>
    public Stage At(int unit, Device device)
    {
        var spool = unit == 0 ? null : HiddenSpool.Open(PathOf(unit), set) ?? throw new GeneratedException($"{PathOf(unit)}, the hidden states to go on from, is gone; remove the folder it was in and begin again.");
        return new Stage(new UnitInputs(set, scheme, spool, device), spool, PathOf(unit + 1), set);
    }

    private string PathOf(int unit) => Path.Combine(folder, FormattableString.Invariant($"{name}.{unit:00000}.f32"));

    /// <summary>The stream at one unit.</summary>
    public sealed class Stage(UnitInputs inputs, HiddenSpool? input, string outputPath, CalibrationSet set) : IDisposable
    {
        private HiddenSpool? _output;

        /// <summary>What the unit runs on.</summary>
        public UnitInputs Inputs => inputs;

        /// <summary>Takes the unit's output on a batch.</summary>
        public void Write(int batch, Tensor value) => (_output ??= HiddenSpool.Create(outputPath, set, (int)value.shape[^1])).Write(batch, value);

        /// <summary>Runs all batches through a unit and keeps its outputs.</summary>
        public void Forward(Unit unit, CancellationToken cancellation)
        {
            using var noGrad = no_grad();
            for (var i = 0; i < inputs.Count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                using var pass = inputs.Pass(i);
                using var value = inputs.Read(i);
                using var output = unit.Run(value, pass);
                Write(i, output);
            }
        }

        /// <summary>Gives the output its name; the next unit can begin.</summary>
        public void Complete() => _output?.Complete();

        /// <summary>Deletes what the unit ran on.</summary>
        public void Forget() => input?.Delete();

        /// <inheritdoc/>
        public void Dispose()
        {
            input?.Dispose();
            _output?.Dispose();
        }
    }
}
