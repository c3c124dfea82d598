namespace Generated.Training;

/// <summary>How a model is trained.</summary>
public sealed record TrainingOptions
{
    /// <summary>Optimizer steps of the whole run.</summary>
    public long Steps { get; init; } = 1000;

    /// <summary>Batches whose gradients are averaged for one step.</summary>
    public int Accumulation { get; init; } = 1;

    /// <summary>Highest learning rate.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>Lowest learning rate, at the end.</summary>
    public double LearningRateFloor { get; init; }

    /// <summary>Steps in which the learning rate rises.</summary>
    public long WarmupSteps { get; init; }

    /// <summary>Largest norm of all gradients together; infinity for no clipping.</summary>
    public double ClipNorm { get; init; } = 1;

    /// <summary>Settings of the optimizer.</summary>
    public AdamWOptions Optimizer { get; init; } = new();

    /// <summary>The learning rate over the steps.</summary>
    public CosineSchedule Schedule => new(LearningRate, WarmupSteps, Steps, LearningRateFloor);

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="InvalidInputException">A value is out of its range.</exception>
    public void Check()
    {
        Require(Steps >= 1, "steps", Steps, "at least 1");
        Require(Accumulation >= 1, "accumulation", Accumulation, "at least 1");
        Require(double.IsFinite(LearningRate) && LearningRate > 0, "learning-rate", LearningRate, "above 0");
        Require(LearningRateFloor >= 0 && LearningRateFloor <= LearningRate, "learning-rate-floor", LearningRateFloor, "between 0 and the learning rate");
        Require(WarmupSteps >= 0 && WarmupSteps <= Steps, "warmup", WarmupSteps, "between 0 and the number of steps");
        Require(ClipNorm > 0, "clip-norm", ClipNorm, "above 0");
        Optimizer.Check();
    }

    private static void Require(bool condition, string name, object value, string expected)
    {
        if (!condition)
            throw new InvalidInputException(FormattableString.Invariant($"{name} is {value}; it has to be {expected}."));
    }
}

/// <summary>One finished step.</summary>
/// <param name="Step">Steps made so far, this one included.</param>
/// <param name="Loss">Mean cross entropy of the step's batches, before the update.</param>
/// <param name="GradientNorm">Norm of all gradients, before clipping.</param>
/// <param name="LearningRate">The step's learning rate.</param>
/// <param name="Tokens">Tokens the step has seen.</param>
public sealed record TrainingStep(long Step, double Loss, double GradientNorm, double LearningRate, long Tokens);
