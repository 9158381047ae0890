#include "text/encoders.h"

#include <stdatomic.h>
#include <stdlib.h>

struct lt_encoders_busy { _Alignas(64) atomic_flag flag; };

void lt_encoders_open(struct lt_encoders *e, const struct lt_tokenizer *t, const struct lt_pool *pool)
{
    e->count = lt_pool_threads(pool);
    e->encoder = lt_alloc((size_t)e->count * sizeof *e->encoder);
    e->busy = lt_aligned((size_t)e->count * sizeof *e->busy);
    for (int i = 0; i < e->count; i++) {
        e->encoder[i] = lt_encoder_new(t);
        atomic_flag_clear(&e->busy[i].flag);
    }
}

int lt_encoders_take(struct lt_encoders *e)
{
    int i = 0;
    while (atomic_flag_test_and_set_explicit(&e->busy[i].flag, memory_order_acquire))
        i = (i + 1) % e->count;
    return i;
}

void lt_encoders_give(struct lt_encoders *e, int i)
{
    atomic_flag_clear_explicit(&e->busy[i].flag, memory_order_release);
}

void lt_encoders_close(struct lt_encoders *e)
{
    for (int i = 0; i < e->count; i++)
        lt_encoder_free(e->encoder[i]);
    free(e->encoder);
    free(e->busy);
    *e = (struct lt_encoders){ 0 };
}
