using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Training;

/// <summary>Settings of <see cref="AdamW"/>; the defaults are those of torch.optim.AdamW.</summary>
public sealed record AdamWOptions
{
    /// <summary>Decay of the mean of gradients.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the mean of squared gradients.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the denominator.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Share of a weight, times the learning rate, that each step takes away.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>Whether vectors (norm weights, biases) decay too. torch's default; large-model recipes leave them out.</summary>
    public bool DecayVectors { get; init; } = true;

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="InvalidInputException">A value is out of its range.</exception>
    public void Check()
    {
        Require(Beta1 is >= 0 and < 1, "beta1", Beta1, "in [0, 1)");
        Require(Beta2 is >= 0 and < 1, "beta2", Beta2, "in [0, 1)");
        Require(double.IsFinite(Epsilon) && Epsilon >= 0, "epsilon", Epsilon, "0 or more");
        Require(double.IsFinite(WeightDecay) && WeightDecay >= 0, "weight-decay", WeightDecay, "0 or more");
    }

    private static void Require(bool condition, string name, double value, string expected)
    {
        if (!condition)
            throw new InvalidInputException(FormattableString.Invariant($"{name} is {value}; it has to be {expected}."));
    }
}

/// <summary>
/// AdamW: Adam with decoupled weight decay (Loshchilov and Hutter, 2019), step for step the arithmetic of torch.optim.AdamW.
/// Moments are float32. Parameters below float32 are updated through a float32 copy, so that small steps are not lost.
/// </summary>
public sealed class AdamW : IDisposable
{
    private readonly AdamWOptions _options;
    private readonly List<State> _states = [];

    /// <param name="parameters">Name and parameter; each name once.</param>
    /// <param name="options">Betas, epsilon, weight decay.</param>
    public AdamW(IEnumerable<KeyValuePair<string, Tensor>> parameters, AdamWOptions? options = null)
    {
        _options = options ?? new AdamWOptions();
        _options.Check();
        using var noGrad = torch.no_grad();
        foreach (var (name, parameter) in parameters)
            _states.Add(new State(name, parameter));
    }

    /// <summary>Number of steps made.</summary>
    public long Steps { get; set; }

    /// <summary>
    /// The state beside the weights, by name: <c>exp_avg.NAME</c> and <c>exp_avg_sq.NAME</c> (float32, shaped as the parameter), and
    /// <c>master.NAME</c> for parameters below float32. The tensors are the optimizer's own: copy into them to restore a state.
    /// </summary>
    public IEnumerable<KeyValuePair<string, Tensor>> StateTensors => _states.SelectMany(state => state.Tensors);

    /// <summary>Makes one step with the parameters' gradients; parameters without one stay as they are.</summary>
    /// <param name="learningRate">Of this step.</param>
    public void Step(double learningRate)
    {
        using var noGrad = torch.no_grad();
        Steps++;
        var correction1 = 1 - Math.Pow(_options.Beta1, Steps);
        var correction2 = Math.Sqrt(1 - Math.Pow(_options.Beta2, Steps));
        foreach (var state in _states)
        {
            using var grad = state.Parameter.grad;
            if (grad is not null)
                Update(state, grad, learningRate, correction1, correction2);
        }
    }

    /// <summary>Drops the gradients, so that the next backward pass starts from nothing.</summary>
    public void ZeroGrad()
    {
        foreach (var state in _states)
        {
            using var grad = state.Parameter.grad;
            grad?.zero_().Dispose();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var state in _states)
            state.Dispose();
        _states.Clear();
    }

    private void Update(State state, Tensor grad, double learningRate, double correction1, double correction2)
    {
        using var scope = torch.NewDisposeScope();
        var weight = state.Master ?? state.Parameter;
        var wide = grad.to_type(ScalarType.Float32);
        if (_options.WeightDecay > 0 && (_options.DecayVectors || weight.dim() > 1))
            weight.mul_(1 - learningRate * _options.WeightDecay);
        state.Mean.lerp_(wide, 1 - _options.Beta1);
        state.Square.mul_(_options.Beta2).addcmul_(wide, wide, 1 - _options.Beta2);
        var denominator = state.Square.sqrt().div_(correction2).add_(_options.Epsilon);
        weight.addcdiv_(state.Mean, denominator, -learningRate / correction1);
        if (state.Master is not null)
            state.Parameter.copy_(state.Master);
    }

    private sealed class State : IDisposable
    {
        public State(string name, Tensor parameter)
        {
            Name = name;
            Parameter = parameter;
            Mean = torch.zeros(parameter.shape, ScalarType.Float32, parameter.device).DetachFromDisposeScope();
            Square = torch.zeros(parameter.shape, ScalarType.Float32, parameter.device).DetachFromDisposeScope();
            if (parameter.dtype is ScalarType.BFloat16 or ScalarType.Float16)
                Master = parameter.detach().to_type(ScalarType.Float32).DetachFromDisposeScope();
        }

        public string Name { get; }

        public Tensor Parameter { get; }

        public Tensor Mean { get; }

        public Tensor Square { get; }

        public Tensor? Master { get; }

        public IEnumerable<KeyValuePair<string, Tensor>> Tensors
        {
            get
            {
                yield return new("exp_avg." + Name, Mean);
                yield return new("exp_avg_sq." + Name, Square);
                if (Master is not null)
                    yield return new("master." + Name, Master);
            }
        }

        public void Dispose()
        {
            Mean.Dispose();
            Square.Dispose();
            Master?.Dispose();
        }
    }
}
