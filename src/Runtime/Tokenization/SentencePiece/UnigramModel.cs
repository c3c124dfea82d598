using Generated.Tokenization.Text;

namespace Generated.Tokenization.SentencePiece;

/// <summary>Unigram segmentation: the sequence of pieces with the best sum of scores (Viterbi over character positions).</summary>
/// <remarks>
/// Sums are kept in single precision and compared as sentencepiece's EncodeOptimized (unigram_model.cc) does: in a long text the
/// rounding decides between paths, so the text is not cut into parts and the arithmetic is the original's.
/// </remarks>
internal sealed class UnigramModel
{
    private const float UnknownPenalty = 10;

    private readonly ByteTrie _pieces = new();
    private readonly float[] _scores; // by id; of user-defined symbols unused, their bonus depends on their length
    private readonly bool[] _userDefined;
    private readonly int _unknownId;
    private readonly int[] _byteIds;
    private readonly float _unknownScore;
    private readonly float _maxScore;

    public UnigramModel(SentencePieceModel model)
    {
        float min = float.MaxValue, max = float.MinValue;
        _scores = new float[model.Pieces.Count];
        _userDefined = new bool[model.Pieces.Count];
        for (int id = 0; id < model.Pieces.Count; id++)
        {
            _scores[id] = model.Scores[id];
            _userDefined[id] = model.Kinds[id] == PieceKind.UserDefined;
            if (model.Kinds[id] == PieceKind.Normal)
                (min, max) = (Math.Min(min, model.Scores[id]), Math.Max(max, model.Scores[id]));
            if (model.Kinds[id] is PieceKind.Normal or PieceKind.UserDefined && !_pieces.TryAdd(model.Pieces[id], id))
                throw new InvalidInputException($"{model.Name} is damaged: piece {id} is there twice.");
        }
        _unknownId = model.UnknownId;
        _byteIds = model.IdOfByte;
        _unknownScore = min - UnknownPenalty;
        _maxScore = max;
    }

    private struct Node
    {
        public float Score;
        public int Start; // -1: not reached
        public int Id;
    }

    /// <summary>Appends the ids of a normalized text.</summary>
    public void Encode(ReadOnlySpan<byte> text, List<int> ids)
    {
        if (text.IsEmpty)
            return;
        var best = FindBestPath(text);
        var path = new List<(int Start, int End, int Id)>();
        for (int end = text.Length; end > 0; end = best[end].Start)
            path.Add((best[end].Start, end, best[end].Id));

        bool afterUnknown = false;
        for (int i = path.Count - 1; i >= 0; i--)
        {
            var (start, end, id) = path[i];
            if (id != _unknownId)
            {
                ids.Add(id);
            }
            else if (_byteIds.Length > 0)
            {
                foreach (byte b in text[start..end])
                    ids.Add(_byteIds[b]);
            }
            else if (!afterUnknown)
            {
                ids.Add(id);
            }
            afterUnknown = id == _unknownId;
        }
    }

    private Node[] FindBestPath(ReadOnlySpan<byte> text)
    {
        var best = new Node[text.Length + 1];
        for (int i = 1; i < best.Length; i++)
            best[i].Start = -1;
        for (int start = 0; start < text.Length;)
        {
            float scoreHere = best[start].Score;
            int characterEnd = start + Utf8.CharacterLength(text[start..]);
            bool characterIsPiece = false;
            int node = ByteTrie.Root;
            for (int end = start; end < text.Length;)
            {
                node = _pieces.Step(node, text[end++]);
                if (node == ByteTrie.Nowhere)
                    break;
                int id = _pieces.ValueAt(node);
                if (id < 0)
                    continue;
                float score = _userDefined[id] ? (float)((end - start) * _maxScore - 0.1) : _scores[id];
                Improve(ref best[end], score + scoreHere, start, id);
                characterIsPiece |= end == characterEnd;
            }
            if (!characterIsPiece)
                Improve(ref best[characterEnd], _unknownScore + scoreHere, start, _unknownId);
            start = characterEnd;
        }
        return best;
    }

    private static void Improve(ref Node target, float score, int start, int id)
    {
        if (target.Start == -1 || score > target.Score)
            target = new Node { Score = score, Start = start, Id = id };
    }
}
