// Compute capability 9.0 (sm_90a) as low_bit_wgmma.cu uses it, behind tiles.cu: pairs of 16-bit values, barriers, copies that run by themselves, and the
// asynchronous matrix instructions of warpgroups. STORAGE: 1 or 2. ROWS: columns of such an instruction, 64, 128 or 256. SPLIT: blocks of a cluster, 1 or 2.

struct alignas(64) Map { unsigned long long v[16]; }; // how x lies in memory, for the copy engine

#if STORAGE == 2
#define TYPE "bf16"
#else
#define TYPE "f16"
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
__device__ __forceinline__ void arrive(unsigned barrier) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" :: "r"(barrier) : "memory"); }
#if SPLIT > 1
// The same place in the other block's shared memory.
__device__ __forceinline__ unsigned there(unsigned here, int block) { unsigned d; asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(d) : "r"(here), "r"(block)); return d; }
__device__ __forceinline__ void arrive_there(unsigned barrier) { asm volatile("mbarrier.arrive.shared::cluster.b64 _, [%0];" :: "r"(barrier) : "memory"); }
__device__ __forceinline__ void send(unsigned to, const float* v, unsigned barrier)
{
    asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [%0], {%1, %2, %3, %4}, [%5];"
        :: "r"(to), "r"(__float_as_uint(v[0])), "r"(__float_as_uint(v[1])), "r"(__float_as_uint(v[2])), "r"(__float_as_uint(v[3])), "r"(barrier) : "memory");
}
__device__ __forceinline__ void meet() { asm volatile("barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;" ::: "memory"); }
#else
__device__ __forceinline__ void meet() { __syncthreads(); }
#endif

__device__ __forceinline__ void copy_rows(unsigned to, const Map* map, int column, int row, unsigned barrier)
{
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
        :: "r"(to), "l"(map), "r"(column), "r"(row), "r"(barrier) : "memory");
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
