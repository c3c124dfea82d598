// Products of low-bit weights, behind Runtime's numbers.cu. Codes: 8 bits [out, in] int8; 4 bits [out, in / 2], the even column in the high half.
// Scales and zero points: float32 [out, groups]; w = (code - zero) * scale. Without zero points 8-bit codes are about 0, 4-bit ones about 8.

#define MAX_ROWS 8
#define WARPS 4

struct alignas(16) Bytes16 { unsigned v[4]; };

// 16 values of a row at an address that is a multiple of 16 bytes.
struct alignas(16) Chunk { T v[16]; };

// An integer below 2^23 as a float, without the slow conversion: it is put into the low bits of 2^23's.
__device__ __forceinline__ float small_integer(unsigned v) { return __uint_as_float(0x4B000000u | v) - 8388608.0f; }

// 16 signed 8-bit codes as floats.
__device__ __forceinline__ void decode8(const Bytes16& packed, float* out)
{
    #pragma unroll
    for (int i = 0; i < 16; i++)
        out[i] = __uint_as_float(0x4B000000u | (((packed.v[i / 4] ^ 0x80808080u) >> (8 * (i % 4))) & 255u)) - 8388736.0f;
}

// 32 unsigned 4-bit codes as floats.
__device__ __forceinline__ void decode4(const Bytes16& packed, float* out)
{
    #pragma unroll
    for (int i = 0; i < 32; i++)
        out[i] = small_integer((packed.v[i / 8] >> (8 * ((i / 2) % 4) + (i % 2 == 0 ? 4 : 0))) & 15u);
}

#if BITS == 8
#define STEP 16
#define DECODE decode8
#define MIDDLE 0.0f
#define ROW_BYTES(width) (width)
#else
#define STEP 32
#define DECODE decode4
#define MIDDLE 8.0f
#define ROW_BYTES(width) ((width) / 2)
#endif

// y = x * W^T + bias for few rows. A warp makes one output of all rows; a lane takes STEP columns at a time, which lie in one group.
extern "C" __global__ void __launch_bounds__(32 * WARPS) multiply_few(
    T* y, const T* x, const unsigned char* codes, const float* scales, const float* zeros, const float* bias, int rows, int in, int out, int group, int groups)
{
    const int output = blockIdx.x * WARPS + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (output >= out) return;
    const unsigned char* row = codes + (long long)output * ROW_BYTES(in);
    scales += (long long)output * groups;
    if (zeros) zeros += (long long)output * groups;
    float sums[MAX_ROWS];
    #pragma unroll
    for (int r = 0; r < MAX_ROWS; r++) sums[r] = 0.0f;
    #pragma unroll 2
    for (int k = lane * STEP; k < in; k += 32 * STEP)
    {
        const Bytes16 packed = *(const Bytes16*)(row + ROW_BYTES(k));
        float w[STEP];
        DECODE(packed, w);
        const int g = k / group;
        const float scale = scales[g], zero = zeros ? zeros[g] : MIDDLE;
        #pragma unroll
        for (int r = 0; r < MAX_ROWS; r++)
        {
            if (r >= rows) break;
            float part = 0.0f, total = 0.0f;
            #pragma unroll
            for (int c = 0; c < STEP / 16; c++)
            {
                const Chunk values = *(const Chunk*)(x + (long long)r * in + k + 16 * c);
                #pragma unroll
                for (int i = 0; i < 16; i++)
                {
                    const float v = load(values.v[i]);
                    part += w[16 * c + i] * v;
                    total += v;
                }
            }
            sums[r] += scale * (part - zero * total);
        }
    }
    #pragma unroll
    for (int r = 0; r < MAX_ROWS; r++)
    {
        if (r >= rows) break;
        const float sum = warp_sum(sums[r]);
        if (lane == 0) y[(long long)r * out + output] = store(sum + (bias ? bias[output] : 0.0f));
    }
}

// The weight itself, [out, in]; one thread writes STEP columns.
extern "C" __global__ void dequantize(T* weight, const unsigned char* codes, const float* scales, const float* zeros, int in, int group, int groups)
{
    const int k = (blockIdx.y * blockDim.x + threadIdx.x) * STEP;
    const long long output = blockIdx.x;
    if (k >= in) return;
    float w[STEP];
    DECODE(*(const Bytes16*)(codes + output * ROW_BYTES(in) + ROW_BYTES(k)), w);
    const float scale = scales[output * groups + k / group], zero = zeros ? zeros[output * groups + k / group] : MIDDLE;
    #pragma unroll
    for (int c = 0; c < STEP / 16; c++)
    {
        Chunk values;
        #pragma unroll
        for (int i = 0; i < 16; i++) values.v[i] = store((w[16 * c + i] - zero) * scale);
        *(Chunk*)(weight + output * in + k + 16 * c) = values;
    }
}

#if BITS == 8
// Rows as 8-bit codes, ties to even: with the given scale, or with one for each row, which is kept.
extern "C" __global__ void quantize_rows(signed char* codes, float* row_scales, const T* x, int width, float given)
{
    __shared__ float largest[32];
    const long long row = blockIdx.x;
    x += row * width; codes += row * width;
    float scale = given;
    if (given == 0.0f)
    {
        float top = 0.0f;
        for (int i = threadIdx.x; i < width; i += blockDim.x) top = fmaxf(top, fabsf(load(x[i])));
        for (int offset = 16; offset > 0; offset >>= 1) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, offset));
        if ((threadIdx.x & 31) == 0) largest[threadIdx.x >> 5] = top;
        __syncthreads();
        top = 0.0f;
        for (int w = 0; w < (blockDim.x >> 5); w++) top = fmaxf(top, largest[w]);
        scale = fmaxf(top / 127.0f, 1e-37f);
    }
    if (threadIdx.x == 0) row_scales[row] = scale;
    for (int i = threadIdx.x; i < width; i += blockDim.x)
        codes[i] = (signed char)fminf(fmaxf(rintf(load(x[i]) / scale), -128.0f), 127.0f);
}

// Few rows of 8-bit codes by 8-bit weights with one scale per output: exact integer sums, scaled once.
extern "C" __global__ void __launch_bounds__(32 * WARPS) multiply_codes(
    T* y, const signed char* x, const float* row_scales, const signed char* codes, const float* scales, const float* bias, int rows, int in, int out)
{
    const int output = blockIdx.x * WARPS + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (output >= out) return;
    const signed char* row = codes + (long long)output * in;
    int sums[MAX_ROWS];
    #pragma unroll
    for (int r = 0; r < MAX_ROWS; r++) sums[r] = 0;
    #pragma unroll 4
    for (int k = lane * 16; k < in; k += 512)
    {
        const Bytes16 w = *(const Bytes16*)(row + k);
        #pragma unroll
        for (int r = 0; r < MAX_ROWS; r++)
        {
            if (r >= rows) break;
            const Bytes16 v = *(const Bytes16*)(x + (long long)r * in + k);
            #pragma unroll
            for (int i = 0; i < 4; i++) sums[r] = __dp4a((int)w.v[i], (int)v.v[i], sums[r]);
        }
    }
    #pragma unroll
    for (int r = 0; r < MAX_ROWS; r++)
    {
        if (r >= rows) break;
        int sum = sums[r];
        for (int offset = 16; offset > 0; offset >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
        if (lane == 0) y[(long long)r * out + output] = store((float)sum * (scales[output] * row_scales[r]) + (bias ? bias[output] : 0.0f));
    }
}

// Integer sums [rows, out] to values.
extern "C" __global__ void scale_sums(T* y, const int* sums, const float* row_scales, const float* scales, const float* bias, int out)
{
    const int i = blockIdx.y * blockDim.x + threadIdx.x;
    const long long row = blockIdx.x;
    if (i >= out) return;
    y[row * out + i] = store((float)sums[row * out + i] * (scales[i] * row_scales[row]) + (bias ? bias[i] : 0.0f));
}
#endif
