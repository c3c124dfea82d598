namespace Generated.Training;

/// <summary>Learning rate that rises linearly, then falls along half a cosine (Loshchilov and Hutter, 2017).</summary>
/// <param name="Peak">Highest rate, reached at the end of the warm-up.</param>
/// <param name="WarmupSteps">Steps of the rise; 0 for none.</param>
/// <param name="TotalSteps">Steps of rise and fall together; later steps have the floor's rate.</param>
/// <param name="Floor">Lowest rate of the fall.</param>
public sealed record CosineSchedule(double Peak, long WarmupSteps, long TotalSteps, double Floor = 0)
{
    /// <summary>The rate of a step, counted from 0.</summary>
    public double RateAt(long step)
    {
        if (step < WarmupSteps)
            return Peak * (step + 1) / WarmupSteps;
        if (step >= TotalSteps)
            return Floor;
        var progress = (double)(step - WarmupSteps) / Math.Max(1, TotalSteps - WarmupSteps);
        return Floor + (Peak - Floor) * 0.5 * (1 + Math.Cos(Math.PI * progress));
    }
}
