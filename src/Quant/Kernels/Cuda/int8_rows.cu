// Products of 8-bit rows and 8-bit weights with one scale per output, behind weights.cu; sm_80 and later. Codes are signed bytes about 0,
// [rows, in] and [out, in], in a multiple of 16; sums are exact integers, scaled once.

#define WARPS 16
#define STEP 64     // columns that a warp takes at once: 16 of each lane of 4
#define DEPTH 2     // steps that a warp asks for before it uses any

struct alignas(16) Ints { int v[4]; };
struct alignas(8) Bytes8 { signed char v[8]; };
struct alignas(4 * sizeof(T)) Four { T v[4]; };

typedef WeightOf<float> Weight;
typedef WeightsOf<float> Weights;

__device__ __forceinline__ void multiply_add(int* sums, unsigned a0, unsigned a1, unsigned a2, unsigned a3, unsigned b0, unsigned b1)
{
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3]) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// What a lane holds of a weight's rows g and g + 8, for DEPTH steps. Rows and columns past the end are read from within and count for nothing.
struct Held { Bytes16 v[DEPTH][2]; };
__device__ __forceinline__ Held hold(const Weight& w, int tile, int first, int in)
{
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
    const unsigned char* high = w.codes + (long long)min(tile * TILE_ROWS + g, w.out - 1) * in;
    const unsigned char* low = w.codes + (long long)min(tile * TILE_ROWS + g + 8, w.out - 1) * in;
    Held held;
    #pragma unroll
    for (int d = 0; d < DEPTH; d++)
    {
        const int k = min((first + d) * STEP + 16 * t, in - 16);
        held.v[d][0] = stream(high + k);
        held.v[d][1] = stream(low + k);
    }
    return held;
}

// Adds the products of what is held. codes: the lane's row of x, or null where there is none.
__device__ __forceinline__ void multiply(int* sums, const Held& held, const signed char* codes, int first, int in)
{
    #pragma unroll
    for (int d = 0; d < DEPTH; d++)
    {
        const int k = (first + d) * STEP + 16 * (threadIdx.x & 3);
        Bytes16 x = {};
        if (codes && k < in) x = *(const Bytes16*)(codes + k);
        const Bytes16 &high = held.v[d][0], &low = held.v[d][1];
        multiply_add(sums, high.v[0], low.v[0], high.v[1], low.v[1], x.v[0], x.v[1]);
        multiply_add(sums, high.v[2], low.v[2], high.v[3], low.v[3], x.v[2], x.v[3]);
    }
}

// Sums the block's warps and writes 16 outputs of each row.
__device__ __forceinline__ void finish(T* y, const int* sums, const Weight& w, int tile, const float* row_scales, int rows, int width)
{
    __shared__ int all[WARPS][MAX_ROWS * TILE_ROWS];
    const int warp = threadIdx.x >> 5, g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
    #pragma unroll
    for (int i = 0; i < 4; i++) all[warp][(2 * t + i % 2) * TILE_ROWS + g + 8 * (i / 2)] = sums[i];
    __syncthreads();
    const int r = threadIdx.x / TILE_ROWS, place = tile * TILE_ROWS + threadIdx.x % TILE_ROWS;
    if (r >= rows || place >= w.out) return;
    int sum = 0;
    #pragma unroll
    for (int i = 0; i < WARPS; i++) sum += all[i][threadIdx.x];
    y[(long long)r * width + w.first + place] = store((float)sum * (w.scales[place] * row_scales[r]) + (w.bias ? w.bias[place] : 0.0f));
}

__device__ __forceinline__ signed char code(float v, float scale) { return (signed char)fminf(fmaxf(rintf(v / scale), -128.0f), 127.0f); }

// The scale of a row, over the whole block.
__device__ __forceinline__ float row_scale(const T* x, int width)
{
    __shared__ float largest[32];
    float top = 0.0f;
    for (int i = 8 * threadIdx.x; i < width; i += 8 * blockDim.x)
    {
        const Eight values = *(const Eight*)(x + i);
        #pragma unroll
        for (int j = 0; j < 8; j++) top = fmaxf(top, fabsf(load(values.v[j])));
    }
    for (int offset = 16; offset > 0; offset >>= 1) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, offset));
    if ((threadIdx.x & 31) == 0) largest[threadIdx.x >> 5] = top;
    __syncthreads();
    top = 0.0f;
    for (int w = 0; w < (blockDim.x >> 5); w++) top = fmaxf(top, largest[w]);
    return fmaxf(top / 127.0f, 1e-37f);
}

__device__ __forceinline__ void write_codes(signed char* codes, const T* x, int width, float scale)
{
    for (int i = 8 * threadIdx.x; i < width; i += 8 * blockDim.x)
    {
        const Eight values = *(const Eight*)(x + i);
        Bytes8 out;
        #pragma unroll
        for (int j = 0; j < 8; j++) out.v[j] = code(load(values.v[j]), scale);
        *(Bytes8*)(codes + i) = out;
    }
}

// Rows as codes, ties to even: with the given scale, or with one for each row, which is kept.
extern "C" __global__ void __launch_bounds__(256) quantize_rows(signed char* codes, float* row_scales, const T* x, int width, float given)
{
    const long long row = blockIdx.x;
    const float scale = given == 0.0f ? row_scale(x + row * width, width) : given;
    if (threadIdx.x == 0) row_scales[row] = scale;
    write_codes(codes + row * width, x + row * width, width, scale);
}

// Few rows of codes by up to three weights. A block makes 16 outputs of all rows; its warps divide the columns.
extern "C" __global__ void __launch_bounds__(32 * WARPS) multiply_codes(T* y, const signed char* x, const float* row_scales, const Weights all, int rows, int in, int width)
{
    int tile = blockIdx.x;
    const Weight w = pick<TILE_ROWS>(all, tile);
    const int g = (threadIdx.x & 31) >> 2;
    int sums[4] = {};
    for (int first = (threadIdx.x >> 5) * DEPTH; first * STEP < in; first += WARPS * DEPTH)
    {
        const Held held = hold(w, tile, first, in);
        multiply(sums, held, g < rows ? x + (long long)g * in : nullptr, first, in);
    }
    finish(y, sums, w, tile, row_scales, rows, width);
}

// One row of values, rounded to codes on the way while the first weights are coming. Needs in bytes of shared memory.
extern "C" __global__ void __launch_bounds__(32 * WARPS) multiply_row(T* y, const T* x, float given, const Weights all, int in, int width)
{
    extern __shared__ Bytes16 memory[];
    signed char* codes = (signed char*)memory;
    int tile = blockIdx.x;
    const Weight w = pick<TILE_ROWS>(all, tile);
    int first = (threadIdx.x >> 5) * DEPTH;
    Held held = hold(w, tile, first, in);
    const float scale = given == 0.0f ? row_scale(x, in) : given;
    write_codes(codes, x, in, scale);
    __syncthreads();
    const signed char* row = (threadIdx.x & 31) < 4 ? codes : nullptr;
    int sums[4] = {};
    for (;;)
    {
        multiply(sums, held, row, first, in);
        first += WARPS * DEPTH;
        if (first * STEP >= in) break;
        held = hold(w, tile, first, in);
    }
    finish(y, sums, w, tile, &scale, 1, width);
}

// Integer sums [rows, out] to values, written at y with rows width apart. out is a multiple of 4.
extern "C" __global__ void __launch_bounds__(256) scale_sums(T* y, const int* sums, const float* row_scales, const float* scales, const float* bias, int out, int width)
{
    const int i = 4 * (blockIdx.y * blockDim.x + threadIdx.x);
    const long long row = blockIdx.x;
    if (i >= out) return;
    const Ints integers = *(const Ints*)(sums + row * out + i);
    const float by = row_scales[row];
    Four values;
    #pragma unroll
    for (int j = 0; j < 4; j++) values.v[j] = store((float)integers.v[j] * (scales[i + j] * by) + (bias ? bias[i + j] : 0.0f));
    *(Four*)(y + row * width + i) = values;
}
