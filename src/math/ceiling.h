/* What the machine can do at most, measured: the figure that speeds are given as a share of. */
#ifndef LT_CEILING_H
#define LT_CEILING_H

#include "base/base.h"
#include "math/dtype.h"

/* Operations a second (a multiply-add is two) of all threads of the pool together, with operands in registers and the
 * best instruction set; bf16 products where the machine has them, else as f32; for INT16 and INT8 what the machine
 * reaches with whole numbers.  Takes about 60 ms of every thread.
 * Programs that run beside it for a part of that time do not lower the figure. */
double lt_peak_flops(struct lt_pool *pool, enum lt_compute compute);

/* `rounds` rounds of that on the calling thread; returns the operations done, in proportion to the rounds. */
int64_t lt_spin(enum lt_compute compute, int64_t rounds);

#endif
