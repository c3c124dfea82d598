using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Quant.Methods;

/// <summary>
/// The upper Cholesky factor of a symmetric matrix's inverse, made in the matrix's own upper triangle: block by block, as LAPACK's
/// potrf and trtri do it, from the last block to the first. The triangle below the diagonal is neither read nor written, so that a
/// matrix whose halves mirror each other can be had back. Beside the matrix only panels of <see cref="BlockSize"/> columns are alive.
/// </summary>
/// <param name="matrix">[width, width]; the caller's.</param>
internal sealed class UpperTriangle(Tensor matrix)
{
    /// <summary>Columns of a block: wide enough for fast products, small beside the matrices for which memory matters.</summary>
    public const int BlockSize = 512;

    private readonly long _width = matrix.shape[0];

    /// <summary>Copies the triangle above the diagonal below it, or the other way round; the diagonal stays.</summary>
    /// <param name="fromUpper">Which one is kept.</param>
    public void Mirror(bool fromUpper)
    {
        for (var start = 0L; start < _width; start += BlockSize)
        {
            using var scope = NewDisposeScope();
            var (diagonal, rest) = (Block(start, start), End(start));
            var kept = fromUpper ? diagonal.triu(1) : diagonal.tril(-1);
            diagonal.copy_(kept + kept.t() + diagonal.diagonal().diag());
            if (rest == _width)
                continue;
            var right = Part(start, rest, rest, _width);
            var below = Part(rest, _width, start, rest);
            if (fromUpper)
                below.copy_(right.t());
            else
                right.copy_(below.t());
        }
    }

    /// <summary>Replaces A by M upper with A = M·Mᵀ, and M by M⁻¹ = U: A⁻¹ = Uᵀ·U.</summary>
    /// <returns>Whether A is positive definite and U finite; otherwise the triangle holds nothing of use.</returns>
    public bool TryFactorInverse() => TryFactor() && TryInvert();

    private bool TryFactor()
    {
        for (var start = (_width - 1) / BlockSize * BlockSize; start >= 0; start -= BlockSize)
        {
            using var scope = NewDisposeScope();
            // Seen from its last row and column, M is a lower factor.
            var (lower, info) = linalg.cholesky_ex(Block(start, start).flip(0, 1));
            if (info.item<int>() != 0)
                return false;
            var corner = lower.flip(0, 1);
            SetDiagonalBlock(start, corner);
            if (start == 0)
                break;
            var panel = Part(0, start, start, End(start));
            panel.copy_(linalg.solve_triangular(corner.t(), panel, upper: false, left: false));
            for (var column = 0L; column < start; column += BlockSize)
            {
                using var inner = NewDisposeScope();
                var row = panel.narrow(0, column, BlockSize).t();
                if (column > 0)
                    Part(0, column, column, End(column)).addmm_(panel.narrow(0, 0, column), row, beta: 1, alpha: -1);
                Block(column, column).sub_(row.t().matmul(row).triu());
            }
        }

        return true;
    }

    private bool TryInvert()
    {
        for (var column = 0L; column < _width; column += BlockSize)
        {
            using var scope = NewDisposeScope();
            var end = End(column);
            var identity = eye(end - column, dtype: matrix.dtype, device: matrix.device);
            var corner = linalg.solve_triangular(Block(column, column).triu(), identity, upper: true);
            // A row of blocks needs those of its column that are below it as they were, and they still are.
            for (var row = 0L; row < column; row += BlockSize)
            {
                using var inner = NewDisposeScope();
                var product = Block(row, row).triu().matmul(Block(row, column));
                if (End(row) < column)
                    product.addmm_(Part(row, End(row), End(row), column), Part(End(row), column, column, end), beta: 1, alpha: 1);
                Block(row, column).copy_(product.matmul(corner).neg_());
            }

            SetDiagonalBlock(column, corner);
            if (!corner.isfinite().all().item<bool>() || (column > 0 && !Part(0, column, column, end).isfinite().all().item<bool>()))
                return false;
        }

        return true;
    }

    private long End(long start) => Math.Min(start + BlockSize, _width);

    private Tensor Block(long row, long column) => Part(row, End(row), column, End(column));

    private Tensor Part(long top, long bottom, long left, long right) => matrix.narrow(0, top, bottom - top).narrow(1, left, right - left);

    private void SetDiagonalBlock(long start, Tensor upper)
    {
        var block = Block(start, start);
        block.copy_(block.tril(-1) + upper);
    }
}
