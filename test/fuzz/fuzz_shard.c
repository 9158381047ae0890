/* A token shard over arbitrary bytes: refuse or accept, and every token and document of an accepted one is
 * readable, and its mask. */
#include "data/shard.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_shard s;
    if (lt_shard_parse(p, n, "input", &s)) return 0;
    volatile uint64_t sum = 0;
    for (uint64_t i = 0; i < s.documents; i++) sum += lt_shard_first(&s, i + 1) + lt_shard_size(&s, i);
    for (uint64_t i = 0; i < s.tokens * (uint64_t)s.width; i++) sum += s.token[i];
    for (uint64_t i = 0; s.mask && i < s.tokens; i++) sum += lt_shard_predicted(&s, i);
    sum += (uint64_t)lt_shard_verify(&s);
    lt_shard_close(&s);
    (void)sum;
    return 0;
}
