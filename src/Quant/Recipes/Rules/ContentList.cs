using System.Collections;

namespace Generated.Quant.Recipes.Rules;

/// <summary>A list that compares by content, so that records which hold one do.</summary>
internal sealed class ContentList<T>(IReadOnlyList<T> items) : IReadOnlyList<T>, IEquatable<ContentList<T>>
{
    private readonly T[] _items = [.. items];

    public static ContentList<T> Empty { get; } = new([]);

    public int Count => _items.Length;

    public T this[int index] => _items[index];

    public bool Equals(ContentList<T>? other) => other is not null && _items.SequenceEqual(other._items);

    public override bool Equals(object? obj) => Equals(obj as ContentList<T>);

    public override int GetHashCode() => _items.Aggregate(17, (hash, item) => unchecked((hash * 31) + (item?.GetHashCode() ?? 0)));

    public IEnumerator<T> GetEnumerator() => ((IEnumerable<T>)_items).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

internal static class ContentList
{
    public static ContentList<T> ToContentList<T>(this IEnumerable<T> items) => items as ContentList<T> ?? new([.. items]);
}
