// What all kernels share. They are compiled at run time by NVRTC without any header.
// STORAGE: 0 = float32, 1 = float16, 2 = bfloat16. All arithmetic is float32; only loads and stores are narrow.

#if STORAGE == 0
typedef float T;
__device__ __forceinline__ float load(T v) { return v; }
__device__ __forceinline__ T store(float v) { return v; }
#elif STORAGE == 1
typedef unsigned short T;
__device__ __forceinline__ float load(T v) { float f; asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(v)); return f; }
__device__ __forceinline__ T store(float v) { T h; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(v)); return h; }
#else
typedef unsigned short T;
__device__ __forceinline__ float load(T v) { return __uint_as_float((unsigned)v << 16); }
__device__ __forceinline__ T store(float v)
{
    unsigned bits = __float_as_uint(v);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (T)((bits >> 16) | 0x40u); // NaN stays NaN
    return (T)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);                 // nearest, ties to even
}
#endif

__device__ __forceinline__ float warp_sum(float v)
{
    for (int offset = 16; offset > 0; offset >>= 1) v += __shfl_xor_sync(0xffffffffu, v, offset);
    return v;
}
