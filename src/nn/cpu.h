/* cpu.h: what the processor has and the system lets a process use, where the compiler's own question (__builtin_cpu_supports) does not tell. */
#ifndef NN_CPU_H
#define NN_CPU_H

#include <stdbool.h>

/* AMX with bf16.  Linux (5.16 and later) gives a process the tiles' registers when it asks; this asks. */
bool nn_cpu_has_tiles(void);

#endif
