// Products of few rows with low-bit weights, and the dequantized weight, behind tiles.cu; sm_80 and later. Weights meet the tensor cores as integers
// (code - zero), which bfloat16 holds exactly; x is the sum of bfloat16 parts, exactly; sums are float32.

#if STORAGE == 2
#define PARTS 1 // of 8 bits each: bfloat16, float16 in 11 bits, float32 in 24
#elif STORAGE == 1
#define PARTS 2
#else
#define PARTS 3
#endif
#define ONES 0x3F803F80u // 1 and 1 in bfloat16

#if BITS == 8
#define WARPS 16
#define DEPTH 2 // tiles that a warp asks for before it uses any
#define MIDDLE 0u
#else
#define WARPS 8
#define DEPTH 4
#define MIDDLE 0xC308C308u // -(128 + 8) twice
#endif

__device__ __forceinline__ unsigned add_pairs(unsigned a, unsigned b) { unsigned d; asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(ONES), "r"(b)); return d; }

// 8 codes, less the zero point, as pairs of bfloat16.
__device__ __forceinline__ void unpack(const unsigned* words, unsigned offset, unsigned* pairs)
{
#if BITS == 4
    #pragma unroll
    for (int i = 0; i < 4; i++) pairs[i] = add_pairs(((words[0] >> (4 * i)) & 0x000F000Fu) | 0x43004300u, offset); // 128 + code, then - (128 + zero)
#else
    #pragma unroll
    for (int i = 0; i < 4; i++)
    {
        // A byte's low 7 bits on 128, less 128 or, where its sign is set, 256.
        const unsigned wide = __byte_perm(words[i / 2], 0x43u, i % 2 == 0 ? 0x4140 : 0x4342);
        pairs[i] = add_pairs(wide & 0xFF7FFF7Fu, (wide & 0xFF80FF80u) | 0x80008000u);
#if GROUPS
        pairs[i] = add_pairs(pairs[i], offset);
#endif
    }
#endif
}

// 8 values as bfloat16 pairs: the value, what that leaves, and what is left then.
__device__ __forceinline__ void split(const T* x, bool present, unsigned (*parts)[4])
{
#if STORAGE == 2
    Bytes16 all = {};
    if (present) all = *(const Bytes16*)x;
    #pragma unroll
    for (int i = 0; i < 4; i++) parts[0][i] = all.v[i];
#else
    Eight all = {};
    if (present) all = *(const Eight*)x;
    #pragma unroll
    for (int i = 0; i < 4; i++)
    {
        float low = load(all.v[2 * i]), high = load(all.v[2 * i + 1]);
        #pragma unroll
        for (int p = 0; p < PARTS; p++)
        {
            parts[p][i] = narrow(low, high);
            low -= low_half(parts[p][i]);
            high -= high_half(parts[p][i]);
        }
    }
#endif
}

__device__ __forceinline__ void multiply_add(float* sums, unsigned a0, unsigned a1, unsigned a2, unsigned a3, unsigned b0, unsigned b1)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3]) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// Sums of the block's warps, [warp][row of x][output].
template <typename S> __device__ __forceinline__ void share(S (*all)[MAX_ROWS * TILE_ROWS], const S* sums)
{
    const int warp = threadIdx.x >> 5, g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
    #pragma unroll
    for (int i = 0; i < 4; i++) all[warp][(2 * t + i % 2) * TILE_ROWS + g + 8 * (i / 2)] = sums[i];
    __syncthreads();
}

template <typename S> __device__ __forceinline__ S shared_sum(S (*all)[MAX_ROWS * TILE_ROWS], int i)
{
    S sum = 0;
    #pragma unroll
    for (int w = 0; w < WARPS; w++) sum += all[w][i];
    return sum;
}

// y = x * W^T + bias for at most MAX_ROWS rows of x and up to three weights. A block makes 16 outputs of all rows; its warps divide the columns.
extern "C" __global__ void __launch_bounds__(32 * WARPS) multiply_few(T* y, const T* x, const Weights all, int rows, int in, int group, int groups, int width)
{
    __shared__ float partial[WARPS][MAX_ROWS * TILE_ROWS];
    int tile = blockIdx.x;
    const Weight w = pick<TILE_ROWS>(all, tile);
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
    const int tiles = (in + TILE - 1) / TILE;
    const unsigned char* codes = w.codes + (long long)tile * tiles * TILE_BYTES + 16 * lane;
    const Scale* scales = w.scales + (long long)tile * groups * TILE_ROWS;
    const T* row = x + (long long)g * in;
    float sums[4] = {};
    for (int first = warp; first < tiles; first += WARPS * DEPTH)
    {
        Bytes16 packed[DEPTH][2];
#if GROUPS
        Scale scale[DEPTH][GROUPS][2];
#endif
        #pragma unroll
        for (int d = 0; d < DEPTH; d++)
        {
            const int k = min(first + d * WARPS, tiles - 1);
            packed[d][0] = stream(codes + k * TILE_BYTES);
            packed[d][1] = stream(codes + k * TILE_BYTES + TILE_BYTES / 2);
#if GROUPS
            #pragma unroll
            for (int b = 0; b < GROUPS; b++)
            {
                const Scale* s = scales + min((k * TILE + b * (TILE / GROUPS)) / group, groups - 1) * TILE_ROWS + g;
                scale[d][b][0] = s[0];
                scale[d][b][1] = s[8];
            }
#endif
        }
        #pragma unroll
        for (int d = 0; d < DEPTH; d++)
        {
            if (first + d * WARPS >= tiles) break;
            float part[4] = {};
            #pragma unroll
            for (int b = 0; b < BLOCKS; b++)
            {
                const int k = (first + d * WARPS) * TILE + 32 * b + 8 * t;
                unsigned values[PARTS][4], high[4], low[4];
                split(row + k, g < rows && k < in, values);
#if GROUPS
                const int n = b * GROUPS / BLOCKS;
                unpack(packed[d][0].v + WORDS * b, offset_pair(scale[d][n][0]), high);
                unpack(packed[d][1].v + WORDS * b, offset_pair(scale[d][n][1]), low);
#else
                unpack(packed[d][0].v + WORDS * b, MIDDLE, high);
                unpack(packed[d][1].v + WORDS * b, MIDDLE, low);
#endif
                #pragma unroll
                for (int p = 0; p < PARTS; p++)
                {
                    multiply_add(part, high[0], low[0], high[1], low[1], values[p][0], values[p][1]);
                    multiply_add(part, high[2], low[2], high[3], low[3], values[p][2], values[p][3]);
                }
#if GROUPS
                if ((b + 1) % (BLOCKS / GROUPS) == 0)
                {
                    #pragma unroll
                    for (int i = 0; i < 4; i++) { sums[i] += factor(scale[d][n][i / 2]) * part[i]; part[i] = 0.0f; }
                }
#endif
            }
#if !GROUPS
            #pragma unroll
            for (int i = 0; i < 4; i++) sums[i] += part[i];
#endif
        }
    }
    share(partial, sums);
    const int r = threadIdx.x / TILE_ROWS, output = threadIdx.x % TILE_ROWS, place = tile * TILE_ROWS + output;
    if (r >= rows || place >= w.out) return;
    float sum = shared_sum(partial, threadIdx.x);
#if !GROUPS
    sum *= factor(scales[output]);
#endif
    y[(long long)r * width + w.first + place] = store(sum + (w.bias ? w.bias[place] : 0.0f));
}

// Rows of the weight itself from a tile on, [rows, in]. A warp writes a tile.
extern "C" __global__ void __launch_bounds__(32 * WARPS) dequantize(T* weight, const unsigned char* codes, const Scale* scales, int out, int in, int group, int groups, int first)
{
    const int tiles = (in + TILE - 1) / TILE, k = blockIdx.y * WARPS + (threadIdx.x >> 5), lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
    if (k >= tiles) return;
    const int tile = first + blockIdx.x;
    codes += ((long long)tile * tiles + k) * TILE_BYTES + 16 * lane;
    scales += (long long)tile * groups * TILE_ROWS;
    #pragma unroll
    for (int h = 0; h < 2; h++)
    {
        const int output = 8 * h + g;
        const Bytes16 packed = stream(codes + TILE_BYTES / 2 * h);
        T* row = weight + (long long)(blockIdx.x * TILE_ROWS + output) * in;
        #pragma unroll
        for (int b = 0; b < BLOCKS; b++)
        {
            const int place = k * TILE + 32 * b + 8 * t;
            const Scale s = scales[min((k * TILE + 32 * b) / group, groups - 1) * TILE_ROWS + output];
            unsigned pairs[4];
#if GROUPS
            unpack(packed.v + WORDS * b, offset_pair(s), pairs);
#else
            unpack(packed.v + WORDS * b, MIDDLE, pairs);
#endif
            if (place >= in || tile * TILE_ROWS + output >= out) continue;
            const float by = factor(s);
#if STORAGE == 2
            Bytes16 values;
            #pragma unroll
            for (int i = 0; i < 4; i++) values.v[i] = narrow(low_half(pairs[i]) * by, high_half(pairs[i]) * by);
            *(Bytes16*)(row + place) = values;
#else
            Eight values;
            #pragma unroll
            for (int i = 0; i < 4; i++) { values.v[2 * i] = store(low_half(pairs[i]) * by); values.v[2 * i + 1] = store(high_half(pairs[i]) * by); }
            *(Eight*)(row + place) = values;
#endif
        }
    }
}
