// Products of many rows with low-bit weights on compute capability 9.0 (sm_90a), behind hopper.cu: y^T = W * x^T by the asynchronous matrix instructions of
// warpgroups, four warps each. Codes become values in registers, the instruction's first operand; tiles of x, the second, are copied to shared memory by
// the tensor copy engine. STORAGE: 1 or 2. CHANNEL: whether each output has one scale, which is then applied to sums; else each value is (code - zero) *
// scale, rounded as dequantize rounds it but for a rare last bit. ROWS: rows of x in a tile: 64, 128 or 256. STAGES: tiles of x in shared memory. SPLIT: blocks
// that share a tile, each with a part of the columns, 1 or 2: where tiles are few, whole ones would leave multiprocessors idle.

#define GROUPS_M 2                  // warpgroups that multiply, of 64 outputs each
#define PRODUCER (4 * GROUPS_M)     // the warp that copies, behind theirs
#define OUTPUTS (64 * GROUPS_M)     // of a tile
#define REGISTERS 232               // of a thread that multiplies
#define SPAN 128                    // columns that the loop takes at once
#define STEP 64                     // columns of a stage: 128 bytes of x, the span of the swizzle
#define BAND 8                      // tiles of rows that go over all outputs together, so that the cache holds their x
#define X_BYTES (ROWS * STEP * 2)
#define W_BYTES (OUTPUTS / TILE_ROWS * TILE_BYTES)
#define W_STAGES (TILE / STEP)      // stages that a tile of the weight is for
#define W_SLOTS (STAGES / W_STAGES)
#define OWN_ROWS (ROWS / SPLIT)     // of which a block writes the sums
#define STAGED 32                   // rows of a warpgroup's results that lie in shared memory on their way out
#define STAGED_BYTES (STAGED * 128)
#define EXCHANGED_BYTES (SPLIT == 1 ? GROUPS_M * STAGED_BYTES : OUTPUTS * OWN_ROWS * 4) // sums of the other block; the results then lie there
#define SCALES (GROUPS * SPAN / TILE) // of an output in a span

#if STORAGE == 2
#define WIDEN 0x43004300u // 128, to which the low bits add a code
#define WIDENED 128.0f
#else
#define WIDEN 0x64006400u // 1024
#define WIDENED 1024.0f
#endif

// (a & b) | c, which the compiler makes two instructions of where b and c are constants.
__device__ __forceinline__ unsigned and_or(unsigned a, unsigned b, unsigned c) { unsigned d; asm("lop3.b32 %0, %1, %2, %3, 0xEA;" : "=r"(d) : "r"(a), "r"(b), "r"(c)); return d; }

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
#if STORAGE == 2 && GROUPS
        offset = offset_pair(s);
#elif BITS == 4
        const float middle = GROUPS ? low_half(offset_pair(s)) + 128.0f : -8.0f;
        offset = pair(middle - WIDENED, middle - WIDENED);
#elif STORAGE == 1
        const float middle = (GROUPS ? low_half(offset_pair(s)) : 0.0f) - 128.0f;
        offset = pair(middle - WIDENED, middle - WIDENED);
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
        unsigned value = add(and_or(words[0] >> (4 * i), 0x000F000Fu, WIDEN), m.offset);
#elif STORAGE == 2
        // A byte's low 7 bits on 128, less 128 or, where its sign is set, 256.
        const unsigned wide = __byte_perm(words[i / 2], 0x43u, i % 2 == 0 ? 0x4140 : 0x4342);
        unsigned value = add(wide & 0xFF7FFF7Fu, and_or(wide, 0xFF80FF80u, 0x80008000u));
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
__device__ __forceinline__ Place place_of(int index, int tiles, int row_tiles, const Weights& all)
{
    const int band = index / (BAND * tiles), within = index - band * BAND * tiles, wide = min(BAND, row_tiles - band * BAND);
    int tile = within / wide;
    Place p;
    p.row = (band * BAND + within % wide) * ROWS;
    p.w = pick<OUTPUTS>(all, tile);
    p.output = tile * OUTPUTS;
    return p;
}

// Where a tile lies of 16 outputs from the given one on; those beyond the last are read from within and count for nothing.
__device__ __forceinline__ long long tile_row(const Weight& w, int output) { return min(output / TILE_ROWS, (w.out - 1) / TILE_ROWS); }

#if GROUPS && !CHANNEL
// Asks for the scales of a span of columns, and goes on to the next. Beyond the last group there are no columns; its own are read again.
__device__ __forceinline__ void ask(Scale (&next)[SCALES][2], const Scale*& scales, int& columns, int group, const Scale* last)
{
    #pragma unroll
    for (int n = 0; n < SCALES; n++)
    {
        next[n][0] = scales[0];
        next[n][1] = scales[8];
        columns += SPAN / SCALES;
        if (columns < group) continue;
        columns = 0;
        if (scales != last) scales += TILE_ROWS;
    }
}
#endif

// Writes a warpgroup's sums of 64 outputs, STAGED rows at a time by way of shared memory, where they lie row by row: written straight, a row's outputs
// would come from four warps in 32 bytes each. A row has 8 parts of 16 bytes there, in an order of its own, so that rows do not share banks.
__device__ __forceinline__ void finish(T* y, const float* sums, unsigned staging, const Weight& w, int output, int row, int rows, int width)
{
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5 & 3, thread = threadIdx.x & 127, group = threadIdx.x >> 7;
    float by[2] = { 1.0f, 1.0f }, bias[2] = {};
    #pragma unroll
    for (int h = 0; h < 2; h++)
    {
        const int own = output + warp * TILE_ROWS + lane / 4 + 8 * h;
#if CHANNEL
        by[h] = factor(w.scales[tile_row(w, own) * TILE_ROWS + own % TILE_ROWS]);
#endif
        if (w.bias && own < w.out) bias[h] = w.bias[own];
    }
    const unsigned to = staging + (lane / 16 * 8 + lane % 8) * 128 + ((2 * warp + lane / 8 % 2) ^ lane % 8) * 16;
    const unsigned from = staging + thread / 8 * 128 + (thread % 8 ^ thread / 8 % 8) * 16;
    const int place = output + thread % 8 * 8, first = row + thread / 8;
    T* here = y + (long long)first * width + w.first + place;
    const bool whole = place + 8 <= w.out && ((width | w.first) & 7) == 0;
    #pragma unroll
    for (int j = 0; j < OWN_ROWS; j += STAGED)
    {
        if (row + j >= rows) continue; // for all of the warpgroup
        #pragma unroll
        for (int i = 0; i < STAGED; i += 16)
        {
            unsigned pairs[4];
            #pragma unroll
            for (int n = 0; n < 4; n++)
                pairs[n] = pair(sums[(j + i) / 2 + 2 * n] * by[n % 2] + bias[n % 2], sums[(j + i) / 2 + 2 * n + 1] * by[n % 2] + bias[n % 2]);
            asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" :: "r"(to + i * 128), "r"(pairs[0]), "r"(pairs[1]), "r"(pairs[2]), "r"(pairs[3]) : "memory");
        }
        asm volatile("bar.sync %0, 128;" :: "r"(group + 1) : "memory");
        #pragma unroll
        for (int i = 0; i < STAGED; i += 16)
        {
            const Bytes16 values = shared_bytes(from + i * 128);
            if (first + j + i >= rows) continue;
            T* at = here + (long long)(j + i) * width;
            if (whole)
                *(Bytes16*)at = values;
            else
            {
                #pragma unroll
                for (int n = 0; n < 8; n++)
                    if (place + n < w.out) at[n] = (T)(values.v[n / 2] >> (16 * (n % 2)));
            }
        }
        asm volatile("bar.sync %0, 128;" :: "r"(group + 1) : "memory");
    }
}

// y = x * W^T + bias for rows of x and up to three weights. map is of x, in boxes of STEP columns and ROWS rows; y is aligned to 16 bytes. Blocks go on from
// tile to tile until all are made.
extern "C" __global__ void __cluster_dims__(SPLIT, 1, 1) __launch_bounds__(128 * (GROUPS_M + 1), 1)
multiply_many(const __grid_constant__ Map map, T* y, const Weights all, int rows, int in, int group, int groups, int width, int tiles, int row_tiles)
{
    extern __shared__ unsigned char memory[];
    const unsigned tiles_x = ((unsigned)__cvta_generic_to_shared(memory) + 1023u) & ~1023u, tiles_w = tiles_x + STAGES * X_BYTES;
    const unsigned exchange = tiles_w + W_SLOTS * W_BYTES, full = exchange + EXCHANGED_BYTES, empty = full + 8 * STAGES, received = empty + 8 * STAGES, taken = received + 8;
    const int warp = __shfl_sync(0xffffffffu, threadIdx.x >> 5, 0), lane = threadIdx.x & 31;
    const int rank = blockIdx.x % SPLIT, steps = (in + TILE - 1) / TILE, spans = (in + SPAN - 1) / SPAN, part = (spans + SPLIT - 1) / SPLIT;
    const int from = rank * part, until = min(from + part, spans), count = tiles * row_tiles;
    if (threadIdx.x == 0)
    {
        for (int i = 0; i < STAGES; i++)
        {
            create(full + 8 * i, 1);
            create(empty + 8 * i, PRODUCER);
        }
        create(received, 1);
        create(taken, PRODUCER);
        asm volatile("fence.mbarrier_init.release.cluster;\nfence.proxy.async;" ::: "memory");
    }
    meet();
    int stage = 0;
    unsigned parity = 0;
    if (warp >= PRODUCER)
    {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
        for (int index = blockIdx.x / SPLIT; index < count && warp == PRODUCER; index += gridDim.x / SPLIT)
        {
            const Place p = place_of(index, tiles, row_tiles, all);
            const unsigned char* codes = p.w.codes + tile_row(p.w, p.output + lane * TILE_ROWS) * steps * TILE_BYTES;
            for (int k = 2 * from; k < 2 * until; k++)
            {
                const unsigned barrier = full + 8 * stage;
                const bool brings = W_STAGES == 1 || k % 2 == 0;
                wait(empty + 8 * stage, parity ^ 1);
                if (lane == 0)
                {
                    expect(barrier, X_BYTES + (brings ? W_BYTES : 0));
                    copy_rows(tiles_x + stage * X_BYTES, &map, k * STEP, p.row, barrier);
                }
                if (brings && lane < OUTPUTS / TILE_ROWS)
                    copy_bytes(tiles_w + stage / W_STAGES * W_BYTES + lane * TILE_BYTES, codes + (long long)min(k / W_STAGES, steps - 1) * TILE_BYTES, TILE_BYTES, barrier);
                if (++stage == STAGES) { stage = 0; parity ^= 1; }
            }
        }
    }
    else
    {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" :: "n"(REGISTERS));
        const Spread spread(lane & 3);
        unsigned turn = 0; // parity of the tile
        for (int index = blockIdx.x / SPLIT; index < count; index += gridDim.x / SPLIT, turn ^= 1)
        {
            const Place p = place_of(index, tiles, row_tiles, all);
            const Scale* scales = p.w.scales + tile_row(p.w, p.output + warp * TILE_ROWS) * groups * TILE_ROWS + lane / 4;
            float sums[ROWS / 2] = {};
            unsigned values[2][8]; // of 32 columns each: one set is multiplied while the other is made
            Meaning meaning[2];
#if GROUPS && !CHANNEL
            const Scale* last = scales + (groups - 1) * TILE_ROWS;
            int columns = from * SPAN % group; // of the group that scales points at
            scales += min(from * SPAN / group, groups - 1) * TILE_ROWS;
            Scale next[SCALES][2];
            ask(next, scales, columns, group, last);
#else
            meaning[0].of(scales[0]);
            meaning[1].of(scales[8]);
#endif
            for (int k = from; k < until; k++)
            {
                Bytes16 packed[2];
#if GROUPS && !CHANNEL
                Scale now[SCALES][2];
                #pragma unroll
                for (int i = 0; i < 2 * SCALES; i++) now[i / 2][i % 2] = next[i / 2][i % 2];
                ask(next, scales, columns, group, last);
#endif
                #pragma unroll
                for (int b = 0; b < SPAN / 32; b++)
                {
                    if (b % 2 == 0) wait(full + 8 * stage, parity);
                    if (b % BLOCKS == 0)
                    {
                        #pragma unroll
                        for (int h = 0; h < 2; h++)
                            packed[h] = shared_bytes(tiles_w + stage / W_STAGES * W_BYTES + warp * TILE_BYTES + h * (TILE_BYTES / 2) + 16 * lane);
                    }
#if GROUPS && !CHANNEL
                    if (b % (4 / SCALES) == 0)
                    {
                        meaning[0].of(now[b * SCALES / 4][0]);
                        meaning[1].of(now[b * SCALES / 4][1]);
                    }
#endif
                    unsigned* a = values[b % 2];
                    #pragma unroll
                    for (int h = 0; h < 2; h++)
                    {
                        unsigned words[WORDS], pairs[4];
                        #pragma unroll
                        for (int i = 0; i < WORDS; i++) words[i] = packed[h].v[WORDS * (b % BLOCKS) + i];
                        spread.apply(words);
                        unpack(words, meaning[h], pairs);
                        #pragma unroll
                        for (int i = 0; i < 4; i++) a[2 * i + h] = pairs[i];
                    }
                    const unsigned long long x = describe(tiles_x + stage * X_BYTES) + b % 2 * 4;
                    order_registers();
                    multiply_add(sums, a, x);
                    multiply_add(sums, a + 4, x + 2);
                    commit();
                    wait_products<1>();
                    if (b % 2 == 0)
                    {
                        if ((k > from || b > 0) && lane == 0) arrive(empty + 8 * (stage > 0 ? stage - 1 : STAGES - 1));
                    }
                    else if (++stage == STAGES) { stage = 0; parity ^= 1; }
                }
            }
            wait_products<0>();
            if (until > from && lane == 0) arrive(empty + 8 * (stage > 0 ? stage - 1 : STAGES - 1));
            #pragma unroll
            for (int i = 0; i < ROWS / 2; i++) asm volatile("" : "+f"(sums[i]) :: "memory"); // not read before
#if SPLIT > 1
            // Each of two blocks sends the other half of its rows, and adds what it gets to its own.
            const unsigned place = exchange + threadIdx.x * 16, remote = there(place, 1 - rank), remote_received = there(received, 1 - rank);
            wait(taken, turn ^ 1);
            if (threadIdx.x == 0) expect(received, EXCHANGED_BYTES);
            #pragma unroll
            for (int i = 0; i < OWN_ROWS / 2; i += 4)
            {
                float sent[4];
                #pragma unroll
                for (int n = 0; n < 4; n++) sent[n] = rank == 0 ? sums[OWN_ROWS / 2 + i + n] : sums[i + n];
                send(remote + i * (32 * PRODUCER * 4), sent, remote_received);
            }
            wait(received, turn);
            #pragma unroll
            for (int i = 0; i < OWN_ROWS / 2; i += 4)
            {
                const Bytes16 got = shared_bytes(place + i * (32 * PRODUCER * 4));
                #pragma unroll
                for (int n = 0; n < 4; n++) sums[i + n] = (rank == 0 ? sums[i + n] : sums[OWN_ROWS / 2 + i + n]) + __uint_as_float(got.v[n]);
            }
            asm volatile("bar.sync 3, %0;" :: "n"(32 * PRODUCER) : "memory"); // results go where these sums lie
#endif
            finish(y, sums, exchange + warp / 4 * STAGED_BYTES, p.w, p.output + warp / 4 * 64, p.row + rank * OWN_ROWS, rows, width);
#if SPLIT > 1
            if (lane == 0) arrive_there(there(taken, 1 - rank)); // finish has synchronized the warp's reads
#endif
        }
    }
    __syncwarp();
    meet(); // a block's shared memory is the other's to use until both are done
}
