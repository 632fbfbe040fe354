/* cpu.c: AMX: the processor's word, then the system's leave. */
#define _GNU_SOURCE                                     /* syscall */
#include "nn/cpu.h"

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

bool nn_cpu_has_tiles(void)
{
    enum { TILES_BF16 = 1 << 22, TILES = 1 << 24 };     /* leaf 7, edx */
    enum { ASK = 0x1023, TILE_DATA = 18 };              /* asm/prctl.h ARCH_REQ_XCOMP_PERM, asm/fpu/types.h XFEATURE_XTILE_DATA */
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & TILES_BF16) && (d & TILES) && syscall(SYS_arch_prctl, ASK, TILE_DATA) == 0;
}

#else

bool nn_cpu_has_tiles(void) { return false; }

#endif
