using Generated.Configuration;

namespace Generated.Architectures;

/// <summary>The architectures known to the process. Assemblies with generated models register theirs when they are loaded.</summary>
public static class ArchitectureRegistry
{
    private static readonly Lock Gate = new();
    private static readonly List<ArchitectureInfo> Known = [];

    /// <summary>All registered architectures, by name.</summary>
    public static IReadOnlyList<ArchitectureInfo> All
    {
        get
        {
            lock (Gate)
                return [.. Known.OrderBy(a => a.Name, StringComparer.Ordinal)];
        }
    }

    /// <summary>Adds architectures. One that is registered already, by name and <c>model_type</c>, is replaced.</summary>
    public static void Register(params IEnumerable<ArchitectureInfo> architectures)
    {
        ArgumentNullException.ThrowIfNull(architectures);
        lock (Gate)
        {
            foreach (var info in architectures)
            {
                Known.RemoveAll(a => a.Name == info.Name && a.ModelType == info.ModelType);
                Known.Add(info);
            }
        }
    }

    /// <summary>The architecture of a config, by its <c>model_type</c>, <c>architectures</c> and <c>auto_map</c>, in this order.</summary>
    /// <exception cref="InvalidInputException">None fits, several do, or type and class contradict each other; the message lists the known ones.</exception>
    public static ArchitectureInfo Find(ConfigReader config)
    {
        ArgumentNullException.ThrowIfNull(config);
        var type = config.StringOr(null, "model_type");
        var classes = config.StringArray("architectures").Concat(AutoMap(config)).ToArray();
        var byType = All.Where(a => type is not null && (a.ModelType == type || a.PaddleModelType == type)).ToArray();
        var byClass = All.Where(a => a.Architectures.Concat(a.PaddleArchitectures).Intersect(classes, StringComparer.Ordinal).Any()).ToArray();
        // Code of a checkpoint's own may give its model any type; without any, a type is a promise of what is computed.
        if (type is not null && byType.Length == 0 && byClass.Length > 0 && !config.Has("auto_map"))
            throw new InvalidInputException($"{config.Location}: model_type '{type}' is not known, but 'architectures' names {byClass[0].Name}'s class; if that is the architecture, set model_type to '{byClass[0].ModelType}'.");
        var candidates = byType.Length == 0 ? byClass : byType.Length == 1 || !byType.Intersect(byClass).Any() ? byType : [.. byType.Intersect(byClass)];
        var fitting = candidates.Where(a => a.RequiredKey is null || config.Has(a.RequiredKey)).ToArray();
        if (fitting.Length > 1 && fitting.Any(a => a.RequiredKey is not null))
            fitting = [.. fitting.Where(a => a.RequiredKey is not null)];
        if (fitting.Length == 0 && candidates.Length > 0)
            fitting = PaddleTwin(candidates, type, classes);
        return fitting.Length switch
        {
            1 => fitting[0],
            0 => throw Unknown(config, type, classes, candidates),
            _ => throw new InvalidInputException($"{config.Location}: several architectures fit model_type '{type}': {string.Join(", ", fitting.Select(a => a.Name))}; name one of their classes under 'architectures'."),
        };
    }

    /// <summary>The preset of a name, with its architecture.</summary>
    /// <exception cref="InvalidInputException">There is none; the message names the nearest.</exception>
    public static (ArchitectureInfo Architecture, Preset Preset) FindPreset(string name)
    {
        foreach (var info in All)
            foreach (var preset in info.Presets)
                if (string.Equals(preset.Name, name, StringComparison.OrdinalIgnoreCase))
                    return (info, preset);
        var names = All.SelectMany(a => a.Presets).Select(p => p.Name).ToArray();
        throw new InvalidInputException($"There is no file, folder or preset '{name}'{Suggestion(name, names)}; there are {string.Join(", ", names)}.");
    }

    /// <summary>Paddle's configs lack Hugging Face's distinguishing keys, but their types or classes tell twins apart.</summary>
    private static ArchitectureInfo[] PaddleTwin(ArchitectureInfo[] candidates, string? type, string[] classes)
    {
        var byType = candidates.Where(a => a.PaddleModelType is not null && a.PaddleModelType == type).ToArray();
        return byType.Length > 0 ? byType : [.. candidates.Where(a => a.PaddleArchitectures.Intersect(classes, StringComparer.Ordinal).Any())];
    }

    private static IEnumerable<string> AutoMap(ConfigReader config) => config.Object("auto_map") is not { } map
        ? []
        : map.Root.EnumerateObject()
            .Where(p => p.Value.ValueKind == System.Text.Json.JsonValueKind.String)
            .Select(p => p.Value.GetString()!.Split('.')[^1]);

    private static InvalidInputException Unknown(ConfigReader config, string? type, string[] classes, ArchitectureInfo[] candidates)
    {
        var known = string.Join(", ", All.Select(a => a.ModelType).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
        if (known.Length == 0)
            return new InvalidInputException($"{config.Location}: no architecture is registered; reference a package with models, or declare one.");
        if (candidates.Length > 0)
            return new InvalidInputException($"{config.Location}: model_type '{type}' needs the key '{string.Join("' or '", candidates.Select(a => a.RequiredKey))}', which tells its architectures apart.");
        if (type is null && classes.Length == 0)
            return new InvalidInputException($"{config.Location} names neither a 'model_type' nor 'architectures'; known model types are {known}.");
        var asked = type ?? classes[0];
        var names = type is null ? All.SelectMany(a => a.Architectures) : All.Select(a => a.ModelType);
        return new InvalidInputException($"{config.Location}: the architecture '{asked}' is not known{Suggestion(asked, names)}; known model types are {known}.");
    }

    private static string Suggestion(string asked, IEnumerable<string> names) =>
        names.Select(n => (Name: n, Distance: Distance(asked.ToLowerInvariant(), n.ToLowerInvariant())))
            .Where(n => n.Distance <= Math.Max(2, asked.Length / 3))
            .OrderBy(n => n.Distance)
            .Select(n => $" (did you mean '{n.Name}'?)")
            .FirstOrDefault("");

    /// <summary>Levenshtein's distance.</summary>
    private static int Distance(string a, string b)
    {
        var previous = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var current = new int[b.Length + 1];
            current[0] = i;
            for (var j = 1; j <= b.Length; j++)
                current[j] = Math.Min(Math.Min(previous[j], current[j - 1]) + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
            previous = current;
        }

        return previous[^1];
    }
}
