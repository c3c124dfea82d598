// Products of many rows with low-bit weights on compute capability 9.0 (sm_90a), behind tiles.cu: y^T = W * x^T by asynchronous matrix instructions of four
// warps. Codes become values in registers, the instruction's first operand; tiles of x, the second, are copied to shared memory by the tensor copy engine.
// STORAGE: 1 or 2. CHANNEL: whether each output has one scale, which is then applied to sums; else each value is (code - zero) * scale, rounded as
// dequantize rounds it but for a rare last bit. ROWS: rows of x in a tile, 64, 128 or 256. CLUSTER: blocks of neighbouring outputs, 1 or 2, that bring a tile of x
// for each other. STAGES: tiles of x in shared memory. RESIDENT: blocks that a multiprocessor has room for.

#define STEP 64                     // columns of a stage: 128 bytes of x, the span of the swizzle
#define HALVES (TILE / STEP)        // stages of a tile of the weight
#define PRODUCER 8                  // the warp that copies, behind two groups that multiply
#define OUTPUTS 128                 // of a block: 64 by each group
#define BAND 8                      // tiles of rows that go over all outputs together, so that the cache holds their x
#define X_BYTES (ROWS * STEP * 2)
#define W_BYTES (OUTPUTS / TILE_ROWS * TILE_BYTES)
#define W_SLOTS (STAGES / HALVES)

struct alignas(8) Bytes8 { unsigned v[2]; };
struct alignas(64) Map { unsigned long long v[16]; }; // how x lies in memory, for the copy engine

#if STORAGE == 2
#define TYPE "bf16"
#define WIDEN 0x43004300u // 128, to which the low bits add a code
#define WIDENED 128.0f
#else
#define TYPE "f16"
#define WIDEN 0x64006400u // 1024
#define WIDENED 1024.0f
#endif

__device__ __forceinline__ unsigned add(unsigned a, unsigned b) { unsigned d; asm("add.rn." TYPE "x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b)); return d; }
__device__ __forceinline__ unsigned times(unsigned a, unsigned b) { unsigned d; asm("mul.rn." TYPE "x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b)); return d; }
__device__ __forceinline__ unsigned times_add(unsigned a, unsigned b, unsigned c) { unsigned d; asm("fma.rn." TYPE "x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c)); return d; }
__device__ __forceinline__ unsigned pair(float low, float high) { unsigned d; asm("cvt.rn." TYPE "x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low)); return d; }

// Barriers in shared memory, by their addresses there.
__device__ __forceinline__ void create(unsigned barrier, unsigned arrivals) { asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" :: "r"(barrier), "r"(arrivals) : "memory"); }
__device__ __forceinline__ void expect(unsigned barrier, unsigned bytes) { asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(barrier), "r"(bytes) : "memory"); }
__device__ __forceinline__ void wait(unsigned barrier, unsigned parity)
{
    unsigned done;
    do asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}" : "=r"(done) : "r"(barrier), "r"(parity) : "memory");
    while (!done);
}
__device__ __forceinline__ void arrive(unsigned barrier, unsigned block)
{
#if CLUSTER == 1
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" :: "r"(barrier) : "memory");
#else
    asm volatile("{\n.reg .b32 there;\nmapa.shared::cluster.u32 there, %0, %1;\nmbarrier.arrive.release.cluster.shared::cluster.b64 _, [there];\n}" :: "r"(barrier), "r"(block) : "memory");
#endif
}
__device__ __forceinline__ void meet()
{
#if CLUSTER == 1
    __syncthreads();
#else
    asm volatile("barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;" ::: "memory");
#endif
}

__device__ __forceinline__ void copy_rows(unsigned to, const Map* map, int column, int row, unsigned barrier)
{
#if CLUSTER == 1
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
        :: "r"(to), "l"(map), "r"(column), "r"(row), "r"(barrier) : "memory");
#else
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%2, %3}], [%4], %5;"
        :: "r"(to), "l"(map), "r"(column), "r"(row), "r"(barrier), "h"((unsigned short)((1 << CLUSTER) - 1)) : "memory");
#endif
}
__device__ __forceinline__ void copy_bytes(unsigned to, const void* from, unsigned bytes, unsigned barrier)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" :: "r"(to), "l"(from), "r"(bytes), "r"(barrier) : "memory");
}
__device__ __forceinline__ Bytes16 shared_bytes(unsigned from)
{
    Bytes16 b;
    asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(b.v[0]), "=r"(b.v[1]), "=r"(b.v[2]), "=r"(b.v[3]) : "r"(from) : "memory");
    return b;
}

#define F4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define F16(i) F4(i), F4(i + 4), F4(i + 8), F4(i + 12)
#define F32(i) F16(i), F16(i + 16)
#define F64(i) F32(i), F32(i + 32)
#define N32 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define N64 N32 "," \
    "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define N128 N64 ",%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95," \
    "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111,%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"

// Adds the product of 16 columns: 64 outputs in four warps' registers by ROWS rows in shared memory.
__device__ __forceinline__ void multiply_add(float (&d)[ROWS / 2], const unsigned* a, unsigned long long x)
{
#if ROWS == 64
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %37, 0;\nwgmma.mma_async.sync.aligned.m64n64k16.f32." TYPE "." TYPE " {" N32 "}, {%32,%33,%34,%35}, %36, p, 1, 1, 0;\n}"
        : F32(0) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(x), "r"(1));
#elif ROWS == 128
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %69, 0;\nwgmma.mma_async.sync.aligned.m64n128k16.f32." TYPE "." TYPE " {" N64 "}, {%64,%65,%66,%67}, %68, p, 1, 1, 0;\n}"
        : F64(0) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(x), "r"(1));
#else
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %133, 0;\nwgmma.mma_async.sync.aligned.m64n256k16.f32." TYPE "." TYPE " {" N128 "}, {%128,%129,%130,%131}, %132, p, 1, 1, 0;\n}"
        : F64(0), F64(64) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(x), "r"(1));
#endif
}
__device__ __forceinline__ void order_registers() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int PENDING> __device__ __forceinline__ void wait_products() { asm volatile("wgmma.wait_group.sync.aligned %0;" :: "n"(PENDING) : "memory"); }

// How x lies in a stage, for the matrix instruction: rows of 128 bytes in the swizzle of 128 bytes, 1024 bytes for 8 of them.
__device__ __forceinline__ unsigned long long describe(unsigned from) { return (1ull << 62) | (64ull << 32) | (1ull << 16) | ((from & 0x3FFFFu) >> 4); }

// Each lane of a group of four has 8 neighbouring columns of 32; the instruction wants it to have a pair from each 8: a transposition of 4 x 4 pairs.
struct Spread
{
    bool high, odd;
    unsigned turn, keep, join;
    __device__ __forceinline__ Spread(int t) : high(t >= 2), odd(t % 2 == 1), turn(odd ? 28 : 4), keep(odd ? 0xF0F0F0F0u : 0x0F0F0F0Fu),
#if BITS == 4
        join(high ? 0x3715 : 0x6240) {}
#else
        join(odd ? 0x3276 : 0x5410) {}
#endif

    __device__ __forceinline__ void apply(unsigned* words) const
    {
#if BITS == 4
        unsigned other = __shfl_xor_sync(0xffffffffu, words[0], 1);
        other = __funnelshift_l(other, other, turn);
        const unsigned mixed = (words[0] & keep) | (other & ~keep);
        words[0] = __byte_perm(mixed, __shfl_xor_sync(0xffffffffu, mixed, 2), join);
#else
        const unsigned first = __byte_perm(words[0], __shfl_xor_sync(0xffffffffu, words[0], 1), join);
        const unsigned second = __byte_perm(words[1], __shfl_xor_sync(0xffffffffu, words[1], 1), join);
        const unsigned other = __shfl_xor_sync(0xffffffffu, high ? first : second, 2);
        words[0] = high ? other : first;
        words[1] = high ? second : other;
#endif
    }
};

// What turns an output's codes into values, as pairs: an offset, and a scale in two parts.
struct Meaning
{
    unsigned offset, scale, rest;
    __device__ __forceinline__ void of(Scale s)
    {
#if BITS == 4
        const float middle = GROUPS ? low_half(offset_pair(s)) + 128.0f : -8.0f;
        offset = pair(middle - WIDENED, middle - WIDENED);
#else
        const float middle = GROUPS ? low_half(offset_pair(s)) : 0.0f;
        offset = STORAGE == 2 ? pair(middle, middle) : pair(middle - WIDENED - 128.0f, middle - WIDENED - 128.0f);
#endif
#if !CHANNEL
        const float by = factor(s), near = load((T)pair(by, by));
        scale = pair(by, by);
        rest = pair(by - near, by - near);
#endif
    }
};

// Codes of 32 columns as pairs of values.
__device__ __forceinline__ void unpack(const unsigned* words, const Meaning& m, unsigned* pairs)
{
    #pragma unroll
    for (int i = 0; i < 4; i++)
    {
#if BITS == 4
        unsigned value = add(((words[0] >> (4 * i)) & 0x000F000Fu) | WIDEN, m.offset);
#elif STORAGE == 2
        // A byte's low 7 bits on 128, less 128 or, where its sign is set, 256.
        const unsigned wide = __byte_perm(words[i / 2], 0x43u, i % 2 == 0 ? 0x4140 : 0x4342);
        unsigned value = add(wide & 0xFF7FFF7Fu, (wide & 0xFF80FF80u) | 0x80008000u);
        if (GROUPS) value = add(value, m.offset);
#else
        unsigned value = add(__byte_perm(words[i / 2] ^ 0x80808080u, 0x64u, i % 2 == 0 ? 0x4140 : 0x4342), m.offset);
#endif
#if !CHANNEL && STORAGE == 1 && !WIDE
        value = times(value, m.scale);
#elif !CHANNEL
        value = times_add(value, m.scale, times(value, m.rest));
#endif
        pairs[i] = value;
    }
}

// A tile of the product: its weight, its first output there, and its first row of x. Tiles of a few row tiles follow each other output by output.
struct Place { Weight w; int output; int row; };
__device__ __forceinline__ Place place_of(int index, int tiles, int row_tiles, const Weights& all, int rank)
{
    const int teams = (tiles + CLUSTER - 1) / CLUSTER, band = index / (BAND * teams), within = index - band * BAND * teams, wide = min(BAND, row_tiles - band * BAND);
    int tile = min(within / wide * CLUSTER + rank, tiles - 1); // a neighbour without a tile of its own makes the last one again
    Place p;
    p.row = (band * BAND + within % wide) * ROWS;
    p.w = pick<OUTPUTS>(all, tile);
    p.output = tile * OUTPUTS;
    return p;
}

// Where a tile lies of 16 outputs from the given one on; those beyond the last are read from within and count for nothing.
__device__ __forceinline__ long long tile_row(const Weight& w, int output) { return min(output / TILE_ROWS, (w.out - 1) / TILE_ROWS); }

// Writes sums of 16 outputs by ROWS rows, transposed among lanes so that four of them write 16 neighbouring outputs of a row.
__device__ __forceinline__ void finish(T* y, const float (&sums)[ROWS / 2], const Weight& w, int output, int row, int rows, int width)
{
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
    const bool odd = t % 2 == 1;
    float by[2] = { 1.0f, 1.0f }, bias[2] = {};
    #pragma unroll
    for (int h = 0; h < 2; h++)
    {
#if CHANNEL
        by[h] = factor(w.scales[tile_row(w, output) * TILE_ROWS + g + 8 * h]);
#endif
        if (w.bias && output + g + 8 * h < w.out) bias[h] = w.bias[output + g + 8 * h];
    }
    const int place = output + (odd ? 8 + 2 * (t - 1) : 2 * t);
    T* to = y + (long long)(row + g) * width + w.first + place;
    const bool whole = place + 4 <= w.out && ((width | w.first) & 3) == 0;
    #pragma unroll
    for (int j = 0; j < ROWS / 8; j++)
    {
        unsigned first = pair(sums[4 * j] * by[0] + bias[0], sums[4 * j + 1] * by[0] + bias[0]);
        unsigned second = pair(sums[4 * j + 2] * by[1] + bias[1], sums[4 * j + 3] * by[1] + bias[1]);
        asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %0;" : "+r"(first));
        asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %0;" : "+r"(second));
        const unsigned other = __shfl_xor_sync(0xffffffffu, odd ? first : second, 1);
        const unsigned low = odd ? other : first, high = odd ? second : other;
        if (row + 8 * j + g < rows)
        {
            T* here = to + (long long)(8 * j) * width;
            if (whole)
                *(Bytes8*)here = { low, high };
            else
            {
                #pragma unroll
                for (int i = 0; i < 4; i++)
                    if (place + i < w.out) here[i] = (T)((i < 2 ? low : high) >> (16 * (i % 2)));
            }
        }
    }
}

// y = x * W^T + bias for rows of x and up to three weights. map is of x, in boxes of STEP columns and ROWS / CLUSTER rows; y and width are such that four outputs
// lie in 8 aligned bytes. Blocks in clusters go on from tile to tile until all are made.
extern "C" __global__ void __cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(32 * (PRODUCER + 1), RESIDENT)
multiply_many(const __grid_constant__ Map map, T* y, const Weights all, int rows, int in, int group, int groups, int width, int tiles, int row_tiles)
{
    extern __shared__ unsigned char memory[];
    const unsigned tiles_x = ((unsigned)__cvta_generic_to_shared(memory) + 1023u) & ~1023u, tiles_w = tiles_x + STAGES * X_BYTES;
    const unsigned full = tiles_w + W_SLOTS * W_BYTES, empty = full + 8 * STAGES;
    const int warp = __shfl_sync(0xffffffffu, threadIdx.x >> 5, 0), lane = threadIdx.x & 31;
    const int rank = CLUSTER == 1 ? 0 : blockIdx.x % CLUSTER, steps = (in + TILE - 1) / TILE, count = (tiles + CLUSTER - 1) / CLUSTER * row_tiles;
    if (threadIdx.x == 0)
    {
        for (int i = 0; i < STAGES; i++)
        {
            create(full + 8 * i, 1);
            create(empty + 8 * i, PRODUCER * CLUSTER);
        }
        asm volatile("fence.mbarrier_init.release.cluster;\nfence.proxy.async;" ::: "memory");
    }
    meet();
    int stage = 0;
    unsigned parity = 0;
    if (warp == PRODUCER)
    {
        for (int index = blockIdx.x / CLUSTER; index < count; index += gridDim.x / CLUSTER)
        {
            const Place p = place_of(index, tiles, row_tiles, all, rank);
            const unsigned char* codes = p.w.codes + tile_row(p.w, p.output + lane * TILE_ROWS) * steps * TILE_BYTES;
            for (int k = 0; k < steps; k++)
            {
                #pragma unroll
                for (int h = 0; h < HALVES; h++)
                {
                    const unsigned barrier = full + 8 * stage;
                    wait(empty + 8 * stage, parity ^ 1);
                    if (lane == 0)
                    {
                        expect(barrier, X_BYTES + (h == 0 ? W_BYTES : 0));
                        copy_rows(tiles_x + stage * X_BYTES + rank * (X_BYTES / CLUSTER), &map, k * TILE + h * STEP, p.row + rank * (ROWS / CLUSTER), barrier);
                    }
                    if (h == 0 && lane < OUTPUTS / TILE_ROWS)
                        copy_bytes(tiles_w + stage / HALVES * W_BYTES + lane * TILE_BYTES, codes + (long long)k * TILE_BYTES, TILE_BYTES, barrier);
                    if (++stage == STAGES) { stage = 0; parity ^= 1; }
                }
            }
        }
    }
    else
    {
        const Spread spread(lane & 3);
        const int g = lane >> 2;
        for (int index = blockIdx.x / CLUSTER; index < count; index += gridDim.x / CLUSTER)
        {
            const Place p = place_of(index, tiles, row_tiles, all, rank);
            const int output = p.output + warp * TILE_ROWS;
            const Scale* scales = p.w.scales + tile_row(p.w, output) * groups * TILE_ROWS + g;
            float sums[ROWS / 2] = {};
            unsigned values[2][8]; // of 32 columns each: one set is multiplied while the other is made
            Meaning meaning[2];
#if GROUPS && !CHANNEL
            Scale next[GROUPS][2];
            #pragma unroll
            for (int n = 0; n < GROUPS; n++)
                #pragma unroll
                for (int h = 0; h < 2; h++) next[n][h] = scales[min(n * (TILE / GROUPS) / group, groups - 1) * TILE_ROWS + 8 * h];
#else
            meaning[0].of(scales[0]);
            meaning[1].of(scales[8]);
#endif
            int before = 0;
            for (int k = 0; k < steps; k++)
            {
                Bytes16 packed[2];
#if GROUPS && !CHANNEL
                Scale now[GROUPS][2];
                #pragma unroll
                for (int n = 0; n < GROUPS; n++)
                {
                    const Scale* from = scales + min(((k + 1) * TILE + n * (TILE / GROUPS)) / group, groups - 1) * TILE_ROWS;
                    #pragma unroll
                    for (int h = 0; h < 2; h++) { now[n][h] = next[n][h]; next[n][h] = from[8 * h]; }
                }
#endif
                #pragma unroll
                for (int b = 0; b < BLOCKS; b++)
                {
                    if (b % 2 == 0) wait(full + 8 * stage, parity);
                    if (b == 0)
                    {
                        const unsigned from = tiles_w + stage / HALVES * W_BYTES + warp * TILE_BYTES + 16 * lane;
                        packed[0] = shared_bytes(from);
                        packed[1] = shared_bytes(from + TILE_BYTES / 2);
                    }
#if GROUPS && !CHANNEL
                    if (b % (BLOCKS / GROUPS) == 0)
                    {
                        meaning[0].of(now[b * GROUPS / BLOCKS][0]);
                        meaning[1].of(now[b * GROUPS / BLOCKS][1]);
                    }
#endif
                    unsigned* a = values[b % 2];
                    #pragma unroll
                    for (int h = 0; h < 2; h++)
                    {
                        unsigned words[WORDS], pairs[4];
                        #pragma unroll
                        for (int i = 0; i < WORDS; i++) words[i] = packed[h].v[WORDS * b + i];
                        spread.apply(words);
                        unpack(words, meaning[h], pairs);
                        #pragma unroll
                        for (int i = 0; i < 4; i++) a[2 * i + h] = pairs[i];
                    }
                    const unsigned long long x = describe(tiles_x + stage * X_BYTES + b % 2 * 64);
                    order_registers();
                    multiply_add(sums, a, x);
                    multiply_add(sums, a + 4, x + 2);
                    commit();
                    wait_products<1>();
                    if (b % 2 == 0)
                    {
                        if (k + b > 0 && lane < CLUSTER) arrive(empty + 8 * before, lane);
                    }
                    else
                    {
                        before = stage;
                        if (++stage == STAGES) { stage = 0; parity ^= 1; }
                    }
                }
            }
            wait_products<0>();
            if (lane < CLUSTER) arrive(empty + 8 * before, lane);
            #pragma unroll
            for (int i = 0; i < ROWS / 2; i++) asm volatile("" : "+f"(sums[i]) :: "memory"); // not read before
            finish(y, sums, p.w, output, p.row, rows, width);
        }
    }
    __syncwarp();
    meet(); // a block's barriers are its neighbour's to use until both are done
}
