/* What the fuzz entries of grammars share. */
#ifndef FUZZ_GRAMMAR_H
#define FUZZ_GRAMMAR_H

#include "decode/grammar/grammar.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Goes on by the first byte that may come, a few different ways; what is forced may indeed come. */
static inline int fuzz_run(struct lt_grammar *g)
{
    struct lt_gmachine *m = lt_gmachine_new(g, NULL);
    for (int way = 0; way < 4; way++) {
        int place = lt_gmachine_start(m);
        for (int step = 0; step < 24 && place >= 0; step++) {
            struct lt_buf forced = { 0 };
            int next = -1;
            for (int c = 0; c < 256 && next < 0; c++) next = lt_gmachine_step(m, place, (uint8_t)(c * 7 + way * 61));
            assert(lt_gmachine_goes_on(m, place) == (next >= 0));
            lt_gmachine_forced(m, place, 8, &forced);
            if (forced.n) assert(lt_gmachine_steps(m, place, lt_buf_view(&forced)) >= 0);
            lt_buf_free(&forced);
            place = next;
        }
    }
    lt_gmachine_free(m);
    lt_grammar_free(g);
    return 0;
}

#endif
