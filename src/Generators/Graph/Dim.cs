using System.Globalization;
using System.Text;

namespace Generated.Generators.Graph;

/// <summary>
/// A width as a polynomial with integer coefficients over named atoms (config members or a part's parameters), in a
/// normal form, so that equal widths are equal values whatever way they were written.
/// </summary>
internal sealed record Dim
{
    private Dim(EquatableArray<Term> terms) => Terms = terms;

    /// <summary>Sorted by monomial; no zero coefficients.</summary>
    public EquatableArray<Term> Terms { get; }

    public static Dim Constant(long value) => Normal([new Term(value, EquatableArray<string>.Empty)]);

    public static Dim Atom(string name) => Normal([new Term(1, EquatableArray.Of(name))]);

    /// <summary>The value where the polynomial has no atoms.</summary>
    public long? AsConstant => Terms.Count switch
    {
        0 => 0,
        1 when Terms[0].Atoms.Count == 0 => Terms[0].Coefficient,
        _ => null,
    };

    public IEnumerable<string> Atoms => Terms.SelectMany(t => t.Atoms).Distinct();

    public static Dim operator +(Dim left, Dim right) => Normal(left.Terms.Concat(right.Terms));

    public static Dim operator -(Dim left, Dim right) =>
        Normal(left.Terms.Concat(right.Terms.Select(t => t with { Coefficient = -t.Coefficient })));

    public static Dim operator *(Dim left, Dim right) => Normal(
        from a in left.Terms
        from b in right.Terms
        select new Term(
            checked(a.Coefficient * b.Coefficient),
            a.Atoms.Concat(b.Atoms).OrderBy(x => x, StringComparer.Ordinal).ToEquatableArray()));

    /// <summary>Replaces atoms by polynomials; atoms without a replacement stay.</summary>
    public Dim Substitute(Func<string, Dim?> replacement)
    {
        var result = Constant(0);
        foreach (var term in Terms)
        {
            var product = Constant(term.Coefficient);
            foreach (var atom in term.Atoms) product *= replacement(atom) ?? Atom(atom);
            result += product;
        }

        return result;
    }

    /// <summary>The value under an assignment of atoms; null where one is unknown.</summary>
    public long? Evaluate(Func<string, long?> value)
    {
        long sum = 0;
        foreach (var term in Terms)
        {
            var product = term.Coefficient;
            foreach (var atom in term.Atoms)
            {
                if (value(atom) is not { } known) return null;
                product = checked(product * known);
            }

            sum = checked(sum + product);
        }

        return sum;
    }

    /// <summary>For people: <c>Heads·HeadDim + 2</c>.</summary>
    public override string ToString()
    {
        if (Terms.Count == 0) return "0";
        var text = new StringBuilder();
        foreach (var term in Terms)
        {
            var magnitude = Math.Abs(term.Coefficient);
            text.Append(text.Length == 0 ? (term.Coefficient < 0 ? "-" : "") : (term.Coefficient < 0 ? " - " : " + "));
            var factors = term.Atoms.ToList();
            if (magnitude != 1 || factors.Count == 0) factors.Insert(0, magnitude.ToString(CultureInfo.InvariantCulture));
            text.Append(string.Join("·", factors));
        }

        return text.ToString();
    }

    private static Dim Normal(IEnumerable<Term> terms) => new(terms
        .GroupBy(t => t.Atoms)
        .Select(g => new Term(g.Sum(t => t.Coefficient), g.Key))
        .Where(t => t.Coefficient != 0)
        .OrderByDescending(t => t.Atoms.Count)
        .ThenBy(t => string.Join("·", t.Atoms), StringComparer.Ordinal)
        .ToEquatableArray());

    /// <summary>Coefficient times a sorted product of atoms.</summary>
    internal sealed record Term(long Coefficient, EquatableArray<string> Atoms);
}
