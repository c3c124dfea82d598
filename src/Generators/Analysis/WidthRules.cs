using Generated.Generators.Graph;

namespace Generated.Generators.Analysis;

/// <summary>When two widths are one: equal polynomials, given the exact quotients that the config states.</summary>
internal sealed class WidthRules(ConfigSpec? config)
{
    private readonly EquatableArray<QuotientSpec> _quotients = config?.Quotients ?? EquatableArray<QuotientSpec>.Empty;

    public bool AreSame(Dim left, Dim right)
    {
        var difference = left - right;
        const int longestChain = 8; // quotients of quotients; a cycle of getters cannot be evaluated anyway
        for (var i = 0; i < longestChain && difference.AsConstant is null; i++)
        {
            var reduced = Reduce(difference);
            if (reduced.Equals(difference)) break;
            difference = reduced;
        }

        return difference.AsConstant == 0;
    }

    /// <summary>Replaces every product of a quotient and its divisor by the dividend.</summary>
    private Dim Reduce(Dim dim)
    {
        foreach (var quotient in _quotients)
        {
            if (quotient.Divisor.Terms.Count != 1) continue;
            var divisor = quotient.Divisor.Terms[0];
            var result = Dim.Constant(0);
            foreach (var term in dim.Terms) result += Reduce(term, quotient, divisor);
            dim = result;
        }

        return dim;
    }

    private static Dim Reduce(Dim.Term term, QuotientSpec quotient, Dim.Term divisor)
    {
        var rest = term.Atoms.ToList();
        var fits = rest.Remove(quotient.Member) && divisor.Atoms.All(rest.Remove) && term.Coefficient % divisor.Coefficient == 0;
        return fits
            ? Product(term.Coefficient / divisor.Coefficient, rest) * quotient.Dividend
            : Product(term.Coefficient, term.Atoms);
    }

    private static Dim Product(long coefficient, IEnumerable<string> atoms) =>
        atoms.Aggregate(Dim.Constant(coefficient), (product, atom) => product * Dim.Atom(atom));
}
