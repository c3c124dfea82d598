// The layout of low-bit weights, behind weights.cu. BITS: 8 or 4. GROUPS: groups that a tile's columns may lie in; 0 = one scale per output and no zero
// points. WIDE: whether scales are float32 rather than float16.
//
// A weight lies in tiles of 16 outputs by 32 * BLOCKS inputs, 1024 bytes, inputs fastest; what is missing at its edges is zero. A lane (group g = lane / 4,
// t = lane % 4) has 16 bytes of output g at 16 * lane, and as many of output g + 8 at 512 + 16 * lane: of each 32 columns the 8 from 8 * t. 8-bit
// codes are signed bytes in order. In a word of 4-bit codes, nibble i is code 2 * i and nibble i + 4 is code 2 * i + 1, so that one mask gives a pair.
// Of each tile's outputs and each group there is a Scale, [out / 16][groups][16]; its offset is a bfloat16: -zero, for 4 bits -(128 + zero).

#if BITS == 8
#define BLOCKS 2
#define WORDS 2 // of 32 columns, in one lane
#else
#define BLOCKS 4
#define WORDS 1
#endif
#define TILE (32 * BLOCKS)
#define TILE_BYTES 1024

#if WIDE
struct alignas(8) Scale { float scale; unsigned offset; };
__device__ __forceinline__ float factor(Scale s) { return s.scale; }
__device__ __forceinline__ unsigned offset_pair(Scale s) { return __byte_perm(s.offset, 0, 0x1010); }
#else
typedef unsigned Scale; // float16 in the low half, the offset in the high half
__device__ __forceinline__ float factor(Scale s) { float f; asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"((unsigned short)s)); return f; }
__device__ __forceinline__ unsigned offset_pair(Scale s) { return __byte_perm(s, 0, 0x3232); }
#endif

typedef WeightOf<Scale> Weight;
typedef WeightsOf<Scale> Weights;

// Pairs of bfloat16.
__device__ __forceinline__ unsigned narrow(float low, float high) { unsigned d; asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low)); return d; }
__device__ __forceinline__ float low_half(unsigned pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float high_half(unsigned pair) { return __uint_as_float(pair & 0xffff0000u); }
