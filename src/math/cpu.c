#include "math/cpu.h"

#include <pthread.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const names[LT_ISAS] = {
    [LT_ISA_BEST] = "best", [LT_ISA_C] = "c", [LT_ISA_AVX2] = "avx2", [LT_ISA_AVX512] = "avx512",
};

const char *lt_isa_name(enum lt_isa isa)
{
    return names[isa];
}

int lt_isa_find(struct lt_str name, enum lt_isa *out)
{
    for (int i = 0; i < LT_ISAS; i++) {
        if (!lt_str_is(name, names[i])) continue;
        *out = (enum lt_isa)i;
        return 0;
    }
    return lt_fail("instruction set \"%.*s\" is unknown; known are best, c, avx2, avx512",
                   (int)LT_MIN(name.n, (size_t)40), name.p);
}

#if defined(__x86_64__)
/* The processor must have the instructions and the operating system must save the registers (XCR0). */
static enum lt_isa machine(void)
{
    unsigned a, b, c, d, b7, c7, a71 = 0;
    enum { FMA = 1 << 12, OSXSAVE = 1 << 27, F16C = 1 << 29 };          /* leaf 1, ecx */
    enum { AVX2 = 1 << 5, BMI2 = 1 << 8, F = 1 << 16, DQ = 1 << 17, BW = 1 << 30 };     /* leaf 7, ebx */
    enum { VBMI = 1 << 1, VNNI = 1 << 11 };                             /* leaf 7, ecx */
    enum { BF16 = 1 << 5 };                                             /* leaf 7.1, eax */
    const unsigned VL = 1u << 31;                                       /* leaf 7, ebx */
    if (!__get_cpuid(1, &a, &b, &c, &d)) return LT_ISA_C;
    const unsigned need1 = FMA | OSXSAVE | F16C;
    if ((c & need1) != need1) return LT_ISA_C;
    unsigned xcr0, high;
    __asm__("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
    if ((xcr0 & 6) != 6) return LT_ISA_C;
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d)) return LT_ISA_C;
    if (!(b7 & AVX2) || !(b7 & BMI2)) return LT_ISA_C;
    const unsigned need7 = F | DQ | BW | VL;
    if ((xcr0 & 0xe6) != 0xe6 || (b7 & need7) != need7 || (c7 & (VBMI | VNNI)) != (VBMI | VNNI)) return LT_ISA_AVX2;
    if (a < 1 || !__get_cpuid_count(7, 1, &a71, &b, &c, &d) || !(a71 & BF16)) return LT_ISA_AVX2;
    return LT_ISA_AVX512;
}
#else
static enum lt_isa machine(void)
{
    return LT_ISA_C;
}
#endif

/* Written once, under pthread_once, and constant from then on. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct { enum lt_isa machine, level; } found;

static void find_level(void)
{
    found.machine = found.level = machine();
    const char *wish = getenv("LATHE_ISA");
    enum lt_isa isa = LT_ISA_BEST;
    if (wish && lt_isa_find(lt_str(wish), &isa) == 0 && isa != LT_ISA_BEST) found.level = LT_MIN(isa, found.machine);
}

enum lt_isa lt_cpu_level(void)
{
    pthread_once(&once, find_level);
    return found.level;
}

enum lt_isa lt_cpu_choose(enum lt_isa wish)
{
    pthread_once(&once, find_level);
    return wish == LT_ISA_BEST ? found.level : LT_MIN(wish, found.machine);
}
