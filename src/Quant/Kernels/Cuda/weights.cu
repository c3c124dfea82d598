// What the kernels of low-bit weights share, behind Runtime's numbers.cu.

#define TILE_ROWS 16 // outputs of a block of few rows
#define MAX_ROWS 8   // rows of x at most there: columns of a matrix instruction

struct alignas(16) Bytes16 { unsigned v[4]; };
struct alignas(8 * sizeof(T)) Eight { T v[8]; };

// A weight, or one of several that share an input. out: its outputs; first: its first column in y.
template <typename S> struct WeightOf { const unsigned char* codes; const S* scales; const float* bias; int out; int first; };
template <typename S> struct WeightsOf { WeightOf<S> a, b, c; };

// The weight that a tile of some outputs lies in; tile becomes that within it.
template <int OUTPUTS, typename S> __device__ __forceinline__ WeightOf<S> pick(const WeightsOf<S>& all, int& tile)
{
    WeightOf<S> w = all.a;
    int tiles = (w.out + OUTPUTS - 1) / OUTPUTS;
    if (tile < tiles) return w;
    tile -= tiles;
    w = all.b;
    tiles = (w.out + OUTPUTS - 1) / OUTPUTS;
    if (tile < tiles) return w;
    tile -= tiles;
    return all.c;
}

// Read once: not worth a place in the nearest cache. Volatile, so that they stay where they are asked for early.
__device__ __forceinline__ Bytes16 stream(const void* p)
{
    Bytes16 b;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(b.v[0]), "=r"(b.v[1]), "=r"(b.v[2]), "=r"(b.v[3]) : "l"(p));
    return b;
}
