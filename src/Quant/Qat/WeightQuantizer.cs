using Generated.Quant.Recipes;
using Generated.Quant.Weights;
using static TorchSharp.torch;

namespace Generated.Quant.Qat;

/// <summary>Fake quantization of a weight in training, and the integers that it stands for.</summary>
internal abstract class WeightQuantizer : IDisposable
{
    /// <summary>What is learned, by name.</summary>
    public virtual IEnumerable<KeyValuePair<string, Tensor>> Learned => [];

    /// <summary>The weight as it is after quantization, [out, in], with gradients; lives in the current scope.</summary>
    public abstract Tensor Apply(Tensor weight);

    /// <summary>The integers of the weight; their values are those of <see cref="Apply"/>.</summary>
    public abstract QuantizedWeight ToIntegers(Tensor weight);

    /// <inheritdoc/>
    public virtual void Dispose()
    {
    }

    /// <summary>Creates the kind that is asked for.</summary>
    /// <exception cref="InvalidInputException">The format is not one it can learn.</exception>
    public static WeightQuantizer Create(QatWeights kind, Tensor weight, WeightFormat format, Rounding rounding) => kind switch
    {
        QatWeights.ChannelAbsMax => new AbsMaxWeights(format, rounding),
        _ => new LsqPlusWeights(weight, format, rounding),
    };
}
