// Kernels of one decode step (one new token per row), behind numbers.cu. HEAD_DIM is set for the attention kernel. With CODES the cache holds signed
// bytes with one scale per key/value head, else values as they are.

#if CODES
typedef signed char C;
__device__ __forceinline__ float cached(C v) { return (float)v; }
__device__ __forceinline__ C kept(T v, const float* scales, int head) { return (C)fminf(fmaxf(rintf(load(v) / scales[head]), -128.0f), 127.0f); }
#else
typedef T C;
__device__ __forceinline__ float cached(C v) { return load(v); }
__device__ __forceinline__ C kept(T v, const float*, int) { return v; }
#endif

__device__ __forceinline__ float block_sum(float v)
{
    __shared__ float partial[32];
    v = warp_sum(v);
    if ((threadIdx.x & 31) == 0) partial[threadIdx.x >> 5] = v;
    __syncthreads();
    v = threadIdx.x < ((blockDim.x + 31) >> 5) ? partial[threadIdx.x] : 0.0f;
    if (threadIdx.x < 32) v = warp_sum(v);
    if (threadIdx.x == 0) partial[0] = v;
    __syncthreads();
    v = partial[0];
    __syncthreads();
    return v;
}

// What a thread of the norm takes at once.
struct alignas(4 * sizeof(T)) Four { T v[4]; };

// One block a row, width a multiple of 4. With a residual: sum = x + residual (stored), y = norm(sum) * weight.
extern "C" __global__ void rms_norm(T* y, T* sum, const T* x, const T* residual, const T* weight, int width, float epsilon)
{
    const long long row = blockIdx.x;
    x += row * width; y += row * width;
    if (residual) { residual += row * width; sum += row * width; }
    Four kept = {};
    float squares = 0.0f;
    for (int i = 4 * threadIdx.x; i < width; i += 4 * blockDim.x)
    {
        Four v = *(const Four*)(x + i);
        if (residual)
        {
            const Four r = *(const Four*)(residual + i);
            #pragma unroll
            for (int j = 0; j < 4; j++) v.v[j] = store(load(v.v[j]) + load(r.v[j]));
            *(Four*)(sum + i) = v;
        }
        #pragma unroll
        for (int j = 0; j < 4; j++) squares += load(v.v[j]) * load(v.v[j]);
        kept = v;
    }
    const float scale = rsqrtf(block_sum(squares) / width + epsilon);
    const T* source = residual ? sum : x;
    for (int i = 4 * threadIdx.x; i < width; i += 4 * blockDim.x)
    {
        // A row of up to 4 * blockDim.x is still in registers.
        const Four v = width <= 4 * blockDim.x ? kept : *(const Four*)(source + i);
        const Four w = *(const Four*)(weight + i);
        Four out;
        #pragma unroll
        for (int j = 0; j < 4; j++) out.v[j] = store(load(store(load(v.v[j]) * scale)) * load(w.v[j]));
        *(Four*)(y + i) = out;
    }
}

// y = silu(gate) * up; gate and up rows lie row_stride apart.
extern "C" __global__ void silu_multiply(T* y, const T* gate, const T* up, int width, long long gate_stride, long long up_stride)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const long long row = blockIdx.y;
    if (i >= width) return;
    const float g = load(gate[row * gate_stride + i]);
    const float silu = load(store(g / (1.0f + __expf(-g))));
    y[row * width + i] = store(silu * load(up[row * up_stride + i]));
}

// Rotates queries and keys of one new token a row and appends keys and values to the cache.
// Blocks: x = head (queries first, then key/value heads), y = row. Tables: [positions, half] float32.
extern "C" __global__ void rotate_append(
    T* q_out, C* k_cache, C* v_cache, const float* k_scales, const float* v_scales,
    const T* q, const T* k, const T* v, long long q_stride, long long k_stride, long long v_stride,
    const float* cosines, const float* sines, const long long* positions, long long position_stride,
    int heads, int kv_heads, int head_dim, int rotary_dim, int adjacent, int slot, int max_length)
{
    const int head = blockIdx.x;
    const long long row = blockIdx.y;
    const long long position = positions[row * position_stride];
    const int half = rotary_dim / 2;
    const bool is_query = head < heads;
    const int kv = head - heads;
    const T* source = is_query ? q + row * q_stride + (long long)head * head_dim : k + row * k_stride + (long long)kv * head_dim;
    T* rotated = q_out + (row * heads + head) * head_dim;
    const long long place = ((row * kv_heads + kv) * (long long)max_length + slot) * head_dim;
    for (int i = threadIdx.x; i < head_dim; i += blockDim.x)
    {
        float value = load(source[i]);
        if (i < rotary_dim)
        {
            const int pair = adjacent ? i / 2 : (i < half ? i : i - half);
            const bool first = adjacent ? (i & 1) == 0 : i < half;
            const int other = adjacent ? i ^ 1 : (i < half ? i + half : i - half);
            const float partner = load(source[other]);
            const float cosine = cosines[position * half + pair], sine = sines[position * half + pair];
            value = first ? value * cosine - partner * sine : value * cosine + partner * sine;
        }
        if (is_query) rotated[i] = store(value);
        else k_cache[place + i] = kept(store(value), k_scales, kv);
    }
    if (!is_query)
    {
        const T* from = v + row * v_stride + (long long)kv * head_dim;
        for (int i = threadIdx.x; i < head_dim; i += blockDim.x) v_cache[place + i] = kept(from[i], v_scales, kv);
    }
}

#if CODES
// Keys or values of new tokens as codes in the cache, and as what those stand for. x has strides, its features side by side; rounded is contiguous.
// Blocks: x = token, y = key/value head, z = row.
extern "C" __global__ void round_to_cache(
    T* rounded, C* cache, const T* x, const float* scales, long long row_stride, long long head_stride, long long token_stride,
    int tokens, int head_dim, int position, int max_length)
{
    const int token = blockIdx.x, head = blockIdx.y;
    const long long row = blockIdx.z, place = row * gridDim.y + head;
    x += row * row_stride + head * head_stride + token * token_stride;
    rounded += (place * tokens + token) * head_dim;
    cache += (place * max_length + position + token) * head_dim;
    for (int i = threadIdx.x; i < head_dim; i += blockDim.x)
    {
        const C code = kept(x[i], scales, head);
        cache[i] = code;
        rounded[i] = store((float)code * scales[head]);
    }
}
#endif

#ifdef HEAD_DIM
#define LANES (HEAD_DIM / 32)
// Keys of a warp that are loaded before any is used: one at a time, the latency of memory is all there is.
#define KEYS 8

// What one lane holds of a head, in one load where its size allows.
#if HEAD_DIM == 32 || HEAD_DIM == 64 || HEAD_DIM == 128 || HEAD_DIM == 256
struct alignas(sizeof(C) * LANES) Lanes { C v[LANES]; };
#else
struct Lanes { C v[LANES]; };
#endif

// Joins the splits of a head: out [HEAD_DIM]. Volatile: other blocks have just written them.
__device__ __forceinline__ void join(T* out, const volatile float* partial, int splits)
{
    float top = -3.0e38f;
    for (int s = 0; s < splits; s++) top = fmaxf(top, partial[s * (HEAD_DIM + 2) + HEAD_DIM]);
    for (int i = threadIdx.x; i < HEAD_DIM; i += blockDim.x)
    {
        float total = 0.0f, sum = 0.0f;
        for (int s = 0; s < splits; s++)
        {
            const volatile float* part = partial + s * (HEAD_DIM + 2);
            const float weight = __expf(part[HEAD_DIM] - top);
            total += part[HEAD_DIM + 1] * weight;
            sum += part[i] * weight;
        }
        out[i] = store(total > 0.0f ? sum / total : 0.0f);
    }
}

// Attention of one query a row over the cache, split along the cache (Dao et al., flash-decoding); the block of a head that is done last joins them.
// Blocks: x = query head, y = split, z = row; 4 warps, each takes every fourth key of its split. done: [rows, heads], zeros, and left so.
extern "C" __global__ void __launch_bounds__(128) attend(
    T* y, float* partial, unsigned* done, const T* q, const C* k_cache, const C* v_cache, const float* k_scales, const float* v_scales,
    const float* slopes, const long long* starts, int heads, int kv_heads, int length, int window, int max_length, int splits, float scale)
{
    const int head = blockIdx.x, split = blockIdx.y;
    const long long row = blockIdx.z;
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    const int kv = head / (heads / kv_heads);
    const C* keys = k_cache + (row * kv_heads + kv) * (long long)max_length * HEAD_DIM;
    const C* values = v_cache + (row * kv_heads + kv) * (long long)max_length * HEAD_DIM;
    const T* query = q + (row * heads + head) * HEAD_DIM;
    int begin = starts ? (int)starts[row] : 0;
    if (window > 0 && length - window > begin) begin = length - window;
    const int chunk = (length - begin + splits - 1) / splits;
    const int from = begin + split * chunk;
    const int to = min(from + chunk, length);
    const float slope = slopes ? slopes[head] : 0.0f;
#if CODES
    const float k_scale = k_scales[kv], v_scale = v_scales[kv];
#else
    const float k_scale = 1.0f, v_scale = 1.0f;
#endif

    float wanted[LANES], sum[LANES];
    for (int j = 0; j < LANES; j++) { wanted[j] = load(query[lane * LANES + j]) * scale * k_scale; sum[j] = 0.0f; }
    float highest = -3.0e38f, total = 0.0f;
    for (int first = from + warp; first < to; first += 4 * KEYS)
    {
        Lanes key[KEYS], value[KEYS];
        #pragma unroll
        for (int n = 0; n < KEYS; n++)
        {
            const long long place = (long long)min(first + 4 * n, to - 1) * HEAD_DIM + lane * LANES;
            key[n] = *(const Lanes*)(keys + place);
            value[n] = *(const Lanes*)(values + place);
        }
        float score[KEYS], top = highest;
        #pragma unroll
        for (int n = 0; n < KEYS; n++)
        {
            const int i = first + 4 * n;
            float s = 0.0f;
            for (int j = 0; j < LANES; j++) s += wanted[j] * cached(key[n].v[j]);
            s = warp_sum(s) + slope * (i - (length - 1));
            score[n] = i < to ? s : -3.0e38f;
            top = fmaxf(top, score[n]);
        }
        const float keep = __expf(highest - top);
        highest = top;
        total *= keep;
        for (int j = 0; j < LANES; j++) sum[j] *= keep;
        #pragma unroll
        for (int n = 0; n < KEYS; n++)
        {
            const float weight = first + 4 * n < to ? __expf(score[n] - top) : 0.0f;
            total += weight;
            for (int j = 0; j < LANES; j++) sum[j] += weight * cached(value[n].v[j]);
        }
    }

    __shared__ float highs[4], totals[4], sums[4][HEAD_DIM];
    __shared__ bool is_last;
    if (lane == 0) { highs[warp] = highest; totals[warp] = total; }
    for (int j = 0; j < LANES; j++) sums[warp][lane * LANES + j] = sum[j] * v_scale;
    __syncthreads();
    const float top = fmaxf(fmaxf(highs[0], highs[1]), fmaxf(highs[2], highs[3]));
    float* parts = partial + (row * heads + head) * splits * (HEAD_DIM + 2);
    float* out = parts + split * (HEAD_DIM + 2);
    for (int i = threadIdx.x; i < HEAD_DIM; i += blockDim.x)
    {
        float merged = 0.0f;
        for (int w = 0; w < 4; w++) merged += sums[w][i] * __expf(highs[w] - top);
        out[i] = merged;
    }
    if (threadIdx.x == 0)
    {
        float merged = 0.0f;
        for (int w = 0; w < 4; w++) merged += totals[w] * __expf(highs[w] - top);
        out[HEAD_DIM] = top;
        out[HEAD_DIM + 1] = merged;
    }
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) is_last = atomicAdd(done + row * heads + head, 1u) == splits - 1;
    __syncthreads();
    if (!is_last) return;
    __threadfence();
    if (threadIdx.x == 0) done[row * heads + head] = 0;
    join(y + (row * heads + head) * HEAD_DIM, parts, splits);
}
#endif
